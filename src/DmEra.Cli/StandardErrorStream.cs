using DmEra.Devices;

namespace DmEra.Cli;

/// <summary>The standard error. What cannot be written there is lost: the disk below a log may be full, and the device
/// is served all the same.</summary>
internal sealed class StandardErrorStream : WriteOnlyStream
{
    private readonly DescriptorStream _error = new(InheritedDescriptor.Take(2), "standard error");

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try { _error.Write(buffer); }
        catch (DeviceException)
        {
            // Full, or closed, and the number taken by a file to be read. There is nowhere left to tell it.
        }
    }
}
