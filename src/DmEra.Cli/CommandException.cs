namespace DmEra.Cli;

/// <summary>Ends a command with one line on stderr.</summary>
/// <param name="message">What is wrong with which file, and what to do; no capital, no full stop.</param>
/// <param name="exitCode">One of <see cref="Cli.ExitCode"/>.</param>
internal sealed class CommandException(string message, int exitCode = ExitCode.Failed) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
