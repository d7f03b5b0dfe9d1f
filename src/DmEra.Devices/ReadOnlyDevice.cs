namespace DmEra.Devices;

/// <summary>A device whose content stays as it is.</summary>
/// <param name="name">What it is, for the error of who would change it.</param>
public abstract class ReadOnlyDevice(string name) : IBlockDevice
{
    /// <inheritdoc/>
    public abstract long Length { get; }

    /// <inheritdoc/>
    public abstract void Read(long offset, Span<byte> buffer);

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data) => throw Refusal();

    /// <inheritdoc/>
    public void Flush()
    {
    }

    /// <inheritdoc/>
    public void Trim(long offset, long length) => throw Refusal();

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, ZeroingMode mode) => throw Refusal();

    /// <inheritdoc/>
    public abstract void Dispose();

    private DeviceException Refusal() => new(name, Errno.EROFS);
}
