using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>The standard output. Unlike the console's own stream, which then goes on in silence, it fails with EPIPE
/// when whoever was to read it has gone: there is no point in working on.</summary>
public sealed class StandardOutputStream : Stream
{
    private readonly SafeFileHandle _descriptor = new(1, ownsHandle: false);

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

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

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();
}
