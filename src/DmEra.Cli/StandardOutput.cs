using System.CommandLine;
using DmEra.Devices;

namespace DmEra.Cli;

/// <summary>What a command prints, as text or as bytes. Both go through one buffer, which is flushed when the command
/// ends.</summary>
internal static class StandardOutput
{
    /// <summary>Where a command prints text.</summary>
    public static TextWriter Output(this ParseResult parse) => parse.InvocationConfiguration.Output;

    /// <summary>Has what is printed wait no longer for a reader once it is told to stop.</summary>
    public static void StopOutputWith(this ParseResult parse, CancellationToken stop)
    {
        if (parse.InvocationConfiguration.Output is StreamWriter { BaseStream: DescriptorStream output }) output.Stop = stop;
    }

    /// <summary>Where a command prints bytes; comes behind all text so far. Not to be disposed of.</summary>
    public static Stream OutputStream(this ParseResult parse)
    {
        parse.InvocationConfiguration.Output.Flush();
        return ((StreamWriter)parse.InvocationConfiguration.Output).BaseStream;
    }
}
