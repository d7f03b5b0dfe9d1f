using DmEra.Devices;

namespace DmEra.Tests.Tools;

/// <summary>A device in memory that cannot be extended, as a disk cannot; can be told to fail.</summary>
internal sealed class FixedSizeDevice(byte[] content) : IBlockDevice
{
    private readonly MemoryBlockDevice _memory = new(content);

    public FixedSizeDevice(int length)
        : this(new byte[length])
    {
    }

    /// <summary>Writes that still succeed.</summary>
    public int WritesLeft { get; set; } = int.MaxValue;

    /// <summary>Bytes that the first write to fail still gets done.</summary>
    public int TornBytes { get; set; }

    public long Length => _memory.Length;

    public byte[] ToArray() => _memory.ToArray();

    public void Read(long offset, Span<byte> buffer) => _memory.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        if (WritesLeft-- > 0)
        {
            _memory.Write(offset, data);
            return;
        }

        if (WritesLeft == -1) _memory.Write(offset, data[..TornBytes]);
        throw new DeviceException("test device", Errno.EIO);
    }

    public void Flush()
    {
    }

    public void Trim(long offset, long length) => _memory.Trim(offset, length);

    public void WriteZeroes(long offset, long length, ZeroingMode mode) => _memory.WriteZeroes(offset, length, mode);

    public void Dispose() => _memory.Dispose();
}
