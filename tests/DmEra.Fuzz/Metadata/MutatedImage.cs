using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Fuzz.Metadata;

/// <summary>Metadata with changes, of which only the blocks that are changed are copied. Not to be written to by those
/// who are tested.</summary>
internal sealed class MutatedImage(byte[] original) : IBlockDevice
{
    private const int BlockSize = BlockManager.BlockSize;

    private readonly Dictionary<ulong, byte[]> _changed = [];

    public long Length { get; private set; } = original.Length;

    public ulong BlockCount => (ulong)Length / BlockSize;

    /// <summary>A block, to be changed.</summary>
    public Span<byte> Change(ulong address)
    {
        if (!_changed.TryGetValue(address, out byte[]? block))
            _changed.Add(address, block = original.AsSpan((int)address * BlockSize, BlockSize).ToArray());
        return block;
    }

    /// <summary>Cuts off what lies behind.</summary>
    public void Truncate(long length) => Length = length;

    /// <summary>All of it, in one piece.</summary>
    public byte[] ToArray()
    {
        byte[] all = original[..(int)Length];
        foreach ((ulong address, byte[] block) in _changed)
        {
            if (address < BlockCount) block.CopyTo(all, (int)address * BlockSize);
        }

        return all;
    }

    public void Read(long offset, Span<byte> buffer)
    {
        if (offset + buffer.Length > Length) throw new DeviceException("test", Errno.EIO);
        original.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
        for (int done = 0; done < buffer.Length && _changed.Count > 0;)
        {
            ulong address = (ulong)(offset + done) / BlockSize;
            int within = (int)((offset + done) % BlockSize);
            int count = Math.Min(BlockSize - within, buffer.Length - done);
            if (_changed.TryGetValue(address, out byte[]? block)) block.AsSpan(within, count).CopyTo(buffer[done..]);
            done += count;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => throw new FuzzException("the input is written to");

    public void Flush() => throw new FuzzException("the input is flushed");

    public void Trim(long offset, long length) => throw new FuzzException("the input is trimmed");

    public void WriteZeroes(long offset, long length, ZeroingMode mode) => throw new FuzzException("the input is zeroed");

    public void Dispose()
    {
    }
}
