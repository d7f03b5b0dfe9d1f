using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using DmEra.Cli.Serving;
using DmEra.Serving;
using DmEra.Target.Tracking;

namespace DmEra.Cli;

/// <summary>The operands and options that commands share, with their checks.</summary>
internal static class CommonArguments
{
    /// <summary>An operand that is a file, a device or a word: never empty, never an option mistyped.</summary>
    public static Argument<string> Operand(string name, string description)
    {
        Argument<string> operand = new(name) { Description = description };
        operand.Validators.Add(static result => RejectStrayOptions(result.Tokens, result.AddError));
        return operand;
    }

    /// <summary>An <see cref="Operand"/> that may be left out.</summary>
    public static Argument<string?> OptionalOperand(string name, string description)
    {
        Argument<string?> operand = new(name) { Description = description, Arity = ArgumentArity.ZeroOrOne };
        operand.Validators.Add(static result => RejectStrayOptions(result.Tokens, result.AddError));
        return operand;
    }

    /// <summary>The control socket of a process that serves many devices.</summary>
    public static Option<string?> DaemonSocket() => Text(
        "--control", "PATH", $"control socket of the process [default: {DaemonSession.SocketName}.ctl in the runtime folder]");

    /// <summary>A device in use, whoever maps it.</summary>
    public static Argument<string> AnyDevice() =>
        Operand("DEVICE", "name from 'era ls', path that it serves, path of a control socket, or device of the kernel's dm-era");

    /// <summary>Opens it.</summary>
    /// <exception cref="CommandException">There is no such device.</exception>
    /// <exception cref="IOException">It cannot be reached.</exception>
    public static ILiveDevice OpenDevice(this ParseResult parse, Argument<string> device) =>
        DeviceLookup.Open(parse.GetRequiredValue(device), parse.InvocationConfiguration.Error);

    /// <summary>Opens it for a person to look at, who need not type all of its name.</summary>
    /// <exception cref="CommandException">There is no such device, or there are several.</exception>
    /// <exception cref="IOException">It cannot be reached.</exception>
    public static ILiveDevice OpenDeviceToLookAt(this ParseResult parse, Argument<string> device) =>
        DeviceLookup.OpenToLookAt(parse.GetRequiredValue(device), parse.InvocationConfiguration.Error);

    /// <summary>A device being served, as the commands that talk to its server name it.</summary>
    public static Argument<string> Device() =>
        Operand("DEVICE", "name from 'era ls', path that it serves, or path of a control socket");

    /// <summary>An option with a path or a word behind it.</summary>
    public static Option<string?> Text(string name, string valueName, string description, params string[] aliases)
    {
        Option<string?> option = new(name, aliases) { Description = description, HelpName = valueName };
        option.Validators.Add(static result => RejectStrayOptions(result.Tokens, result.AddError));
        return option;
    }

    /// <summary>An option that is there or not.</summary>
    public static Option<bool> Flag(string name, string description, params string[] aliases) =>
        new(name, aliases) { Description = description, Arity = ArgumentArity.Zero };

    /// <summary>An option with a size behind it; its value is in bytes.</summary>
    public static Option<long?> Size(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = ParseSize,
    };

    /// <summary>An operand that is a size; its value is in bytes.</summary>
    public static Argument<long> SizeOperand(string description) => new("SIZE")
    {
        Description = description,
        CustomParser = static result => ParseSize(result) ?? 0,
    };

    /// <summary>An option, which must be given, with an era, or its number and mark, or a label behind it.</summary>
    public static Option<string> Era(string name, string description)
    {
        Option<string> option = Path(name, "ERA|ERA:MARK|LABEL", description);
        option.Validators.Add(static result =>
        {
            // No label is made of digits.
            string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
            if (text.All(char.IsAsciiDigit) && !uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _))
                result.AddError($"'{text}' is no era; eras are numbers from 0 to {uint.MaxValue}");
        });
        return option;
    }

    /// <summary>An option with a number behind it.</summary>
    public static Option<uint?> Number(string name, string valueName, string description) => new(name)
    {
        Description = description,
        HelpName = valueName,
        CustomParser = static result =>
        {
            string text = result.Tokens[0].Value;
            if (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint number)) return number;
            result.AddError($"'{text}' is no number from 0 to {uint.MaxValue}");
            return null;
        },
    };

    /// <summary>An option with a number behind it, for which 0 can be called off.</summary>
    public static Option<uint?> NumberOrOff(string name, uint most, string description) => new(name)
    {
        Description = description,
        HelpName = "N|off",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (text is "off") return 0;
            if (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) && number <= most) return number;
            result.AddError($"'{text}' is neither 'off' nor a number from 0 to {most}");
            return null;
        },
    };

    /// <summary>Output for programs instead of people.</summary>
    public static Option<bool> Json() => Flag("--json", "print JSON");

    /// <summary>Metadata of a device that does not run.</summary>
    public static Argument<string> Metadata() => Operand("METADATA", "metadata file or device");

    /// <summary>An option, which must be given, with a path behind it.</summary>
    public static Option<string> Path(string name, string valueName, string description, params string[] aliases)
    {
        Option<string> option = new(name, aliases) { Description = description, HelpName = valueName, Required = true };
        option.Validators.Add(static result => RejectStrayOptions(result.Tokens, result.AddError));
        return option;
    }

    /// <summary>Where text goes instead of the standard output.</summary>
    public static Option<string?> OutputFile()
    {
        Option<string?> option = new("--output", "-o") { Description = "write to this file; - is the standard output", HelpName = "FILE" };
        // A single - is no option mistyped here.
        option.Validators.Add(static result => RejectStrayOptions([.. result.Tokens.Where(token => token.Value is not "-")], result.AddError));
        return option;
    }

    /// <summary>No progress bar.</summary>
    public static Option<bool> Quiet() => Flag("--quiet", "show no progress", "-q");

    /// <summary>The format of a list of blocks.</summary>
    public static Option<string> ListFormat()
    {
        Option<string> option = new("--format")
        {
            Description = "how the list is written; ranges: a line 'BEGIN END' each, in blocks, end exclusive",
            DefaultValueFactory = static _ => "xml",
        };
        option.AcceptOnlyFromAmong("xml", "json", "ranges");
        return option;
    }

    /// <summary>The same, or the format of a list of cache blocks.</summary>
    public static Option<string?> ListOrMessageFormat()
    {
        Option<string?> option = new("--format")
        {
            Description = "how the list is written; ranges: a line 'BEGIN END' each, in blocks, end exclusive; messages: for "
                + "'dmsetup message' [default: xml; with --cache: messages]",
        };
        option.AcceptOnlyFromAmong("xml", "json", "ranges", "messages");
        return option;
    }

    private static long? ParseSize(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (ByteSize.TryParse(text, out long bytes)) return bytes;
        result.AddError($"'{text}' is no size; sizes are like 64K, 1M, 1G, 4096 (bytes) or 128s (sectors)");
        return null;
    }

    // The parser takes an unknown option for an operand as long as one is missing.
    private static void RejectStrayOptions(IReadOnlyList<Token> tokens, Action<string> addError)
    {
        foreach (Token token in tokens)
        {
            if (token.Value.Length == 0) addError("an operand is empty");
            else if (token.Value[0] == '-') addError($"unknown option '{token.Value}' (a file of that name is ./{token.Value})");
        }
    }
}
