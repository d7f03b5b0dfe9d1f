using System.CommandLine;
using System.Net.Sockets;
using DmEra.PersistentData.Blocks;

namespace DmEra.Cli;

/// <summary>Errors as people see them: one line that names the file and the remedy, never a stack trace.</summary>
internal static class ErrorLine
{
    /// <summary>The line for a command line that does not parse.</summary>
    public static string For(ParseResult parse)
    {
        string command = CommandName(parse);
        // An unknown word explains the missing ones that are complained of, too.
        string message = parse.UnmatchedTokens is [string unknown, ..]
            ? $"unrecognized command or argument '{unknown}'"
            : parse.Errors[0].Message.TrimEnd('.');
        return OneLine($"{command}: {message}; see '{command} --help'");
    }

    /// <summary>The line for a fault that ended a command.</summary>
    public static string For(Exception fault) => OneLine(IsExpected(fault)
        ? $"era: {fault.Message}"
        : $"era: internal error, please report it: {fault.GetType().Name}: {fault.Message}");

    private static bool IsExpected(Exception fault) =>
        fault is CommandException or MetadataException or IOException or UnauthorizedAccessException
            or SocketException;

    private static string CommandName(ParseResult parse) =>
        parse.CommandResult.Command is RootCommand ? "era" : $"era {parse.CommandResult.Command.Name}";

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
