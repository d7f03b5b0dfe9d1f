namespace DmEra.Devices;

/// <summary>A device in memory, all zeroes at first. Its length can be extended like a file's.</summary>
public sealed class MemoryBlockDevice : IBlockDevice, IImmediateAccess, IExtendable
{
    private readonly Lock _lock = new();    // guards _bytes: both the array and what is in it
    private byte[] _bytes;

    /// <summary>Creates a device of <paramref name="length"/> bytes.</summary>
    public MemoryBlockDevice(int length) => _bytes = new byte[length];

    /// <summary>Creates a device with this content; the array is used, not copied.</summary>
    public MemoryBlockDevice(byte[] content) => _bytes = content;

    /// <inheritdoc/>
    public long Length => Volatile.Read(ref _bytes).Length;

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        lock (_lock) Range(offset, buffer.Length).CopyTo(buffer);
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        lock (_lock) data.CopyTo(Range(offset, data.Length));
    }

    /// <inheritdoc/>
    public void Flush()
    {
    }

    /// <inheritdoc/>
    public void Trim(long offset, long length) => WriteZeroes(offset, length, ZeroingMode.MayDeallocate);

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        lock (_lock) Range(offset, length).Clear();
    }

    /// <inheritdoc/>
    public bool TryReadNow(long offset, Span<byte> buffer)
    {
        Read(offset, buffer);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
    {
        Write(offset, data);
        return true;
    }

    /// <inheritdoc/>
    public bool TryExtend(long length)
    {
        lock (_lock)
        {
            if (length > _bytes.Length) Array.Resize(ref _bytes, checked((int)length));
        }

        return true;
    }

    /// <summary>A copy of everything, for tests and tools.</summary>
    public byte[] ToArray()
    {
        lock (_lock) return [.. _bytes];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private Span<byte> Range(long offset, long length) =>
        offset >= 0 && length >= 0 && offset + length <= _bytes.Length
            ? _bytes.AsSpan((int)offset, (int)length)
            : throw new DeviceException("memory device: access past the end", Errno.EIO);
}
