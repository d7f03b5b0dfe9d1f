using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace DmEra.Cli;

/// <summary>A command whose help ends with examples.</summary>
internal sealed class EraCommand(string name, string description, params string[] examples)
    : Command(name, description)
{
    /// <summary>Command lines that work.</summary>
    public IReadOnlyList<string> Examples { get; } = examples;

    /// <summary>What the manual page says beyond the help: paragraphs, with a blank line between them. A line
    /// <c># TITLE</c> begins a section, <c>* term: text</c> is an item of a list, and what is indented stays as it is.</summary>
    public string Manual { get; set; } = "";
}

/// <summary>The help text, and the command's examples below it.</summary>
internal sealed class HelpWithExamples : SynchronousCommandLineAction
{
    private readonly HelpAction _help = new();

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        _help.Invoke(parseResult);
        if (parseResult.CommandResult.Command is EraCommand { Examples.Count: > 0 } command)
        {
            TextWriter output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (string example in command.Examples) output.WriteLine($"  {example}");
            output.WriteLine();
        }

        return ExitCode.Done;
    }
}
