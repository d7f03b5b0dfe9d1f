using System.Buffers;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.PersistentData.Reading;

/// <summary>
/// Reads committed metadata straight from its device, and checks every block. It keeps the last 64 nodes of trees and the
/// last 64 other blocks, each in the place that its address gives it: so blocks that lie side by side come in one read, and a
/// block that many entries of an index name is read and checked once. What a call returns is valid until the next one; one
/// thread at a time.
/// </summary>
public sealed class MetadataReader : IDisposable
{
    // As many as are still in the processor's cache when they are used.
    private const int Places = 64;
    private const ulong Nothing = ulong.MaxValue;

    private readonly IBlockDevice _device;
    private readonly Kept[] _kept = new Kept[2 * Places];   // first the nodes
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(2 * Places * BlockManager.BlockSize);
    private int _ahead = 1;

    /// <summary>Reads from a device, which stays the caller's.</summary>
    public MetadataReader(IBlockDevice device)
    {
        _device = device;
        BlockCount = (ulong)device.Length / BlockManager.BlockSize;
        Array.Fill(_kept, new Kept { Address = Nothing });
    }

    /// <summary>Whole metadata blocks that the device has.</summary>
    public ulong BlockCount { get; }

    /// <summary>Reads a block as it is on the device now: for those that others may be writing, as superblocks are.</summary>
    /// <exception cref="MetadataCorruptException">It is not a whole block of this type, or past the end.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public ReadOnlySpan<byte> Read(ulong address, BlockValidator type)
    {
        _kept[PlaceOf(address, type)].Address = Nothing;
        Le64 alone = address;
        return Read(new ReadOnlySpan<Le64>(in alone), type).Span;
    }

    /// <summary>Reads a block of a state that does not change.</summary>
    /// <param name="addresses">The block's, and those of blocks of the same type that will probably be asked for next: the longer
    /// the reading goes on, the more of them come along.</param>
    /// <param name="type">What it must be.</param>
    /// <returns>The first one of them.</returns>
    /// <inheritdoc cref="Read(ulong, BlockValidator)" path="/exception"/>
    public ReadOnlyMemory<byte> Read(scoped ReadOnlySpan<Le64> addresses, BlockValidator type)
    {
        ulong address = addresses[0];
        if (address >= BlockCount) throw PastTheEnd(address);
        int place = PlaceOf(address, type);
        if (_kept[place].Address != address) Fetch(addresses, place);
        ReadOnlyMemory<byte> block = _buffer.AsMemory(place * BlockManager.BlockSize, BlockManager.BlockSize);
        if (_kept[place].CheckedAs == type) return block;

        _kept[place] = new Kept { Address = Nothing };      // should the check fail
        type.Check(address, block.Span);
        _kept[place] = new Kept { Address = address, CheckedAs = type };
        return block;
    }

    /// <summary>Lets others use its buffer: clients that ask for block status open a view for each answer. A reader that is left to
    /// the collector does no harm.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffer, []) is { Length: > 0 } buffer) ArrayPool<byte>.Shared.Return(buffer);
    }

    private static int PlaceOf(ulong address, BlockValidator type) =>
        (int)(address % Places) + (type == BTreeNodeValidator.Instance ? 0 : Places);

    private void Fetch(scoped ReadOnlySpan<Le64> addresses, int place)
    {
        ulong first = addresses[0];
        int run = RunLength(addresses[..Math.Min(addresses.Length, Math.Min(_ahead, Places - (place % Places)))]);
        run = (int)Math.Min((ulong)run, BlockCount - first);
        _ahead = Math.Min(2 * _ahead, Places);
        for (int i = 0; i < run; i++) _kept[place + i] = new Kept { Address = Nothing };
        try
        {
            FetchRun(first, place, run);
        }
        catch (DeviceException) when (run > 1)
        {
            FetchRun(first, place, 1);      // perhaps just one of the others cannot be read
        }
    }

    private void FetchRun(ulong first, int place, int run)
    {
        _device.Read((long)first * BlockManager.BlockSize, _buffer.AsSpan(place * BlockManager.BlockSize, run * BlockManager.BlockSize));
        for (int i = 0; i < run; i++) _kept[place + i].Address = first + (ulong)i;
    }

    private static int RunLength(ReadOnlySpan<Le64> addresses)
    {
        int length = 1;
        while (length < addresses.Length && addresses[length] == addresses[0] + (ulong)length) length++;
        return length;
    }

    private MetadataCorruptException PastTheEnd(ulong address) =>
        new(address, $"past the end: the metadata has {BlockCount} blocks", MetadataCorruption.Damaged);

    private struct Kept
    {
        public ulong Address;
        public BlockValidator? CheckedAs;
    }
}
