using DmEra.Devices;

namespace DmEra.Cli;

/// <summary>The standard error. What cannot be written there is lost: the disk below a log may be full, and the device
/// is served all the same.</summary>
internal sealed class StandardErrorStream : WriteOnlyStream
{
    private readonly Stream _console = Console.OpenStandardError();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try { _console.Write(buffer); }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Full, or closed, and the number taken by a file to be read. There is nowhere left to tell it.
        }
    }
}
