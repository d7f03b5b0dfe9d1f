using System.Buffers;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.History;

/// <summary>
/// Reads committed metadata straight from its device, without a cache, and checks every block. Blocks that lie side
/// by side come in one read. What a call returns is valid until the next one; one thread at a time.
/// </summary>
internal sealed class MetadataReader : IDisposable
{
    public const int BlockSize = BlockManager.BlockSize;

    /// <summary>Most blocks in one read: what is checked and used at once should still be in the processor's cache.</summary>
    public const int MaxRun = 64;

    private readonly IBlockDevice _device;
    private readonly ulong _blockCount;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(MaxRun * BlockSize);

    public MetadataReader(IBlockDevice device)
    {
        _device = device;
        _blockCount = (ulong)device.Length / BlockSize;
    }

    /// <summary>Reads one block.</summary>
    /// <exception cref="MetadataCorruptException">It is not a whole block of this type, or past the end.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public ReadOnlySpan<byte> Read(ulong address, BlockValidator validator) => Read(new ReadOnlySpan<ulong>(ref address), validator);

    /// <summary>Reads up to <see cref="MaxRun"/> blocks; they are returned in the order of the addresses.</summary>
    /// <exception cref="MetadataCorruptException">One is not a whole block of this type, or past the end.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public ReadOnlySpan<byte> Read(scoped ReadOnlySpan<ulong> addresses, BlockValidator validator)
    {
        Span<byte> blocks = _buffer.AsSpan(0, addresses.Length * BlockSize);
        for (int done = 0; done < addresses.Length;)
        {
            int run = RunLength(addresses[done..]);
            ulong first = addresses[done];
            if (first >= _blockCount || (ulong)run > _blockCount - first) throw PastTheEnd(first, run);
            Span<byte> bytes = blocks.Slice(done * BlockSize, run * BlockSize);
            _device.Read((long)first * BlockSize, bytes);
            for (int i = 0; i < run; i++) validator.Check(first + (ulong)i, bytes.Slice(i * BlockSize, BlockSize));
            done += run;
        }

        return blocks;
    }

    /// <summary>Lets others use its buffer: clients that ask for block status open a view for each answer. A reader
    /// that is left to the collector does no harm.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffer, []) is { Length: > 0 } buffer) ArrayPool<byte>.Shared.Return(buffer);
    }

    private static int RunLength(ReadOnlySpan<ulong> addresses)
    {
        int length = 1;
        while (length < addresses.Length && addresses[length] == addresses[0] + (ulong)length) length++;
        return length;
    }

    private MetadataCorruptException PastTheEnd(ulong first, int run) =>
        new(
            Math.Max(first, Math.Min(_blockCount, first + (ulong)run - 1)),
            $"past the end: the metadata has {_blockCount} blocks",
            MetadataCorruption.Damaged);
}
