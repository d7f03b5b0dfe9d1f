namespace DmEra.Cli;

/// <summary>What the process ends with.</summary>
internal static class ExitCode
{
    /// <summary>Done, and nothing wrong was found.</summary>
    public const int Done = 0;

    /// <summary>Failed, or damage was found.</summary>
    public const int Failed = 1;

    /// <summary>The command line makes no sense.</summary>
    public const int Usage = 2;

    /// <summary>Ended by Ctrl-C, as a shell has it: 128, and the number of the signal.</summary>
    public const int Interrupted = 130;
}
