using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>The standard output. Unlike the console's own stream, which then goes on in silence, it fails with EPIPE
/// when whoever was to read it has gone: there is no point in working on.</summary>
public sealed class StandardOutputStream : WriteOnlyStream
{
    private readonly SafeFileHandle _descriptor = new(1, ownsHandle: false);

    /// <inheritdoc/>
    /// <exception cref="DeviceException">It could not be written.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            try { buffer = buffer[LinuxFile.Append(_descriptor, buffer)..]; }
            catch (DeviceException fault) { throw new DeviceException("standard output", fault.Errno); }
        }
    }
}
