using System.CommandLine;
using System.CommandLine.Completions;
using System.Text;
using DmEra.Cli;

namespace DmEra.Tests.Cli.Manual;

/// <summary>The manual page of a command, made from what the command line itself knows of it.</summary>
internal sealed class ManPage
{
    private const string CommonExitStatus = """
        # EXIT STATUS
        * 0: Done.
        * 1: Failed; a line on the standard error says what is wrong with which file, and what to do.
        * 2: The command line makes no sense.
        * 130: Ended by Ctrl-C.
        """;

    private readonly StringBuilder _roff = new();

    private ManPage()
    {
    }

    /// <summary>The page of one command, in roff.</summary>
    public static string Of(EraCommand command)
    {
        ManPage page = new();
        page.Title($"era-{command.Name}", command.Description!);
        page.Section("SYNOPSIS");
        page.Synopsis(command);
        page.Section("DESCRIPTION");
        page.Paragraph(command.Description!);
        page.Text(command.Manual.Split("\n# ", 2)[0]);
        if (command.Arguments.Count + command.Options.Count > 0) page.Section("OPTIONS");
        foreach (Argument operand in command.Arguments) page.Item($"\\fI{Escape(operand.Name)}\\fR", operand.Description!);
        foreach (Option option in command.Options) page.Item(Names(option), Description(option));
        page.Item("\\fB\\-h\\fR, \\fB\\-\\-help\\fR", "show help, with examples, and exit");
        page.Item("\\fB\\-V\\fR, \\fB\\-\\-version\\fR", "show the version and exit");
        if (command.Manual.Contains("\n# ", StringComparison.Ordinal)) page.Text("# " + command.Manual.Split("\n# ", 2)[1]);
        if (!command.Manual.Contains("# EXIT STATUS", StringComparison.Ordinal)) page.Text(CommonExitStatus);
        page.Section("EXAMPLES");
        page.Text(string.Join('\n', command.Examples.Select(example => "    " + example)));
        page.Section("SEE ALSO");
        page.Line("\\fBera\\fR(8)");
        return page._roff.ToString();
    }

    /// <summary>The page of the program, in roff.</summary>
    public static string Of(RootCommand root)
    {
        ManPage page = new();
        page.Title("era", root.Description!);
        page.Section("SYNOPSIS");
        page.Line("\\fBera\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] ...");
        page.Section("DESCRIPTION");
        page.Paragraph(root.Description!);
        page.Section("COMMANDS");
        foreach (Command command in root.Subcommands) page.Item($"\\fBera\\-{Escape(command.Name)}\\fR(8)", command.Description!);
        page.Text(CommonExitStatus);
        return page._roff.ToString();
    }

    private static string Escape(string text) =>
        text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal);

    private static string Names(Option option)
    {
        IEnumerable<string> names = option.Aliases.Append(option.Name).Select(name => $"\\fB{Escape(name)}\\fR");
        return string.Join(", ", names) + Value(option);
    }

    private static string Description(Option option)
    {
        string description = option.Description!;
        return option is { HasDefaultValue: true, Arity.MaximumNumberOfValues: > 0 } && option.GetDefaultValue() is string value
            ? $"{description} [default: {value}]"
            : description;
    }

    private static string Value(Option option)
    {
        if (option.Arity.MaximumNumberOfValues == 0) return "";
        IEnumerable<string> words = option.GetCompletions(CompletionContext.Empty).Select(word => word.Label);
        return option.HelpName is null
            ? $" {string.Join('|', words.Select(word => $"\\fB{word}\\fR"))}"
            : $" \\fI{Escape(option.HelpName)}\\fR";
    }

    private void Title(string name, string description)
    {
        _roff.Append(".\\\" Made from the command line's own help: UPDATE_GOLDEN=1 ./test ManPage\n");
        _roff.Append($".TH {name.ToUpperInvariant()} 8 \"\" era \"System Administration\"\n");
        Section("NAME");
        string first = description.Split(". ")[0].Split(": ")[0].TrimEnd('.');
        Line($"{Escape(name)} \\- {char.ToLowerInvariant(first[0])}{Escape(first[1..])}");
    }

    private void Synopsis(EraCommand command)
    {
        Line($"\\fBera {Escape(command.Name)}\\fR");
        foreach (Option option in command.Options)
        {
            string name = option.Aliases.FirstOrDefault(alias => alias.Length == "-x".Length) ?? option.Name;
            string usage = $"\\fB{Escape(name)}\\fR{Value(option)}";
            Line(option.Required ? usage : $"[{usage}]");
        }

        foreach (Argument operand in command.Arguments)
        {
            string name = $"\\fI{Escape(operand.Name)}\\fR";
            Line(operand.Arity.MinimumNumberOfValues > 0 ? name : $"[{name}]");
        }
    }

    private void Section(string title) => _roff.Append($".SH {title}\n");

    private void Item(string term, string text)
    {
        _roff.Append($".TP\n{term}\n");
        Line(Escape(text));
    }

    private void Paragraph(string text)
    {
        _roff.Append(".PP\n");
        Line(Escape(text));
    }

    /// <summary>Text in the markup of <see cref="EraCommand.Manual"/>.</summary>
    private void Text(string text)
    {
        foreach (string line in text.Split('\n').Where(line => line.Length > 0))
        {
            if (line.StartsWith("# ", StringComparison.Ordinal)) Section(line[2..]);
            else if (line.StartsWith("* ", StringComparison.Ordinal)) Item($"\\fB{Escape(line[2..].Split(": ")[0])}\\fR", line.Split(": ", 2)[1]);
            else if (line.StartsWith("    ", StringComparison.Ordinal)) _roff.Append($".PP\n.EX\n{Escape(line)}\n.EE\n");
            else Paragraph(line);
        }
    }

    // A full stop or an apostrophe at the start of a line would be taken for a request.
    private void Line(string text) => _roff.Append(text[0] is '.' or '\'' ? "\\&" : "").Append(text).Append('\n');
}
