using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net.Sockets;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Cli;

/// <summary>Errors as people see them: one line that names the file and the remedy, never a stack trace.</summary>
internal static class ErrorLine
{
    /// <summary>The line for a command line that does not parse.</summary>
    public static string For(ParseResult parse)
    {
        string command = CommandName(parse);
        return OneLine($"{command}: {Message(parse)}; see '{command} --help'");
    }

    /// <summary>The line for a fault that ended a command.</summary>
    public static string For(Exception fault) => OneLine(
        IsExpected(fault) ? $"era: {SystemFault.Describe(fault)}"
        : fault is OperationCanceledException ? "era: interrupted"
        : $"era: internal error, please report it: {fault.GetType().Name}: {fault.Message}");

    private static string Message(ParseResult parse) =>
        parse.UnmatchedTokens is [string unknown, ..]
            ? $"unrecognized command or argument '{UnknownOption(parse) ?? unknown}'"
            : parse.Errors.MinBy(Rank)!.Message.TrimEnd('.');

    // An option that there is not was taken for an operand, and the operand behind it did not fit.
    private static string? UnknownOption(ParseResult parse) =>
        parse.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash)
            .FirstOrDefault(token => token.Type == TokenType.Argument && token.Value.StartsWith("--", StringComparison.Ordinal))?.Value;

    // What is wrong with a word that is there explains the words that are missing, too.
    private static int Rank(ParseError error) => error.SymbolResult switch
    {
        CommandResult => 3,
        OptionResult { Implicit: true } => 2,
        ArgumentResult { Tokens.Count: 0 } => 1,
        _ => 0,
    };

    private static bool IsExpected(Exception fault) =>
        fault is CommandException or EraTargetException or EraNotBegunException or MetadataException
            or IOException or TimeoutException or UnauthorizedAccessException or SocketException;

    private static string CommandName(ParseResult parse) =>
        parse.CommandResult.Command is RootCommand ? "era" : $"era {parse.CommandResult.Command.Name}";

    private static string OneLine(string text) => text.ReplaceLineEndings(" ").Replace("\t", "", StringComparison.Ordinal);
}
