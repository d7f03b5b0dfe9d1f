using System.Diagnostics;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Transactions;

namespace DmEra.PersistentData.SpaceMaps;

/// <summary>
/// The reference counts of all metadata blocks, those included that the counts themselves are stored in (kernel:
/// dm-space-map-metadata.c). All of them are in memory; <see cref="SpaceMapStorage"/> brings them to disk when a
/// transaction ends, so that changing a count never changes another. Belongs to the thread that owns the metadata.
/// </summary>
/// <remarks>A block is handed out only if it is free now and was free in the metadata last committed: the disk still
/// needs it until the next commit. While readers have committed metadata pinned, blocks freed since are held back too.
/// What the map needs to write itself out is kept back always, so that a full device can still commit that something
/// was freed.
/// <para>On a sparse file a block is handed out only if its space is on the disk already. That of the lowest blocks is taken, in
/// steps, as it is needed: up to the <em>frontier</em>. When that has reached the end, the map grows with its
/// device.</para></remarks>
public sealed class MetadataSpaceMap : ISpaceMap
{
    /// <summary>The most metadata blocks that the format can count: 16 256.25 MiB.</summary>
    public const ulong MaxBlockCount = BitmapHeader.MaxMetadataBlocks;

    /// <summary>Metadata blocks that a bitmap counts.</summary>
    public const int BlocksPerBitmap = BitmapHeader.EntriesPerBlock;

    // What is taken of the disk at once, and the least by which the device is made longer: 1 MiB.
    private const ulong StepBlocks = (1 << 20) / BlockManager.BlockSize;

    private readonly BlockManager _blocks;
    private List<CountBitmap> _bitmaps = [];
    private OverflowCounts _overflow = new();
    private ulong _frontier;        // blocks below it have their space on the device
    private ulong _available;       // of these, the ones neither in use nor held
    private ulong _cursor;          // where the next search starts
    private bool _isWritingOut;     // the blocks kept back are for this

    internal MetadataSpaceMap(BlockManager blocks) => _blocks = blocks;

    /// <inheritdoc/>
    public ulong BlockCount { get; private set; }

    /// <inheritdoc/>
    public ulong FreeBlocks => _available - Math.Min(_available, KeptBackBlocks);

    /// <summary>Blocks pointed at: what the kernel's status shows as used, between transactions.</summary>
    public ulong UsedBlocks
    {
        get
        {
            ulong used = 0;
            foreach (CountBitmap bitmap in _bitmaps) used += (ulong)bitmap.Used;
            return used;
        }
    }

    internal List<CountBitmap> Bitmaps => _bitmaps;

    internal OverflowCounts Overflow => _overflow;

    private ulong KeptBackBlocks => _isWritingOut ? 0 : WriteOutRoom();

    /// <summary>Some count differs from what was committed.</summary>
    internal bool IsChanged
    {
        get
        {
            foreach (CountBitmap bitmap in _bitmaps)
            {
                if (bitmap.IsChanged) return true;
            }

            return _overflow.IsChanged;
        }
    }

    /// <inheritdoc/>
    public uint Count(ulong block)
    {
        CountBitmap bitmap = BitmapOf(block, out int position);
        uint small = bitmap[position];
        return small < CountBitmap.Many ? small : _overflow[block];
    }

    /// <inheritdoc/>
    public void Inc(ulong block, uint pointers = 1)
    {
        uint count = Count(block);
        if (pointers > uint.MaxValue - count) throw RefCounts.TooMany(block);
        SetCount(block, count, count + pointers);
    }

    /// <inheritdoc/>
    public void Dec(ulong block, uint pointers = 1)
    {
        uint count = Count(block);
        if (pointers > count) throw RefCounts.BelowZero(block, pointers, count);
        SetCount(block, count, count - pointers);
    }

    /// <inheritdoc/>
    /// <remarks>Space is taken, or the device made longer, if no block is free and it can be.</remarks>
    /// <exception cref="DeviceException">The device failed at that.</exception>
    public ulong Allocate()
    {
        EnsureFree(1);
        ulong block = FindAvailable();
        SetCount(block, 0, 1);
        _cursor = block + 1;
        return block;
    }

    /// <summary>Makes sure that this many blocks can be allocated, by taking their space and making the device longer if need
    /// be: for a transaction that should not start what it cannot finish.</summary>
    /// <exception cref="MetadataFullException">There are fewer.</exception>
    /// <exception cref="DeviceException">The device failed at that.</exception>
    public void EnsureFree(ulong count)
    {
        for (ulong wanted; (wanted = count + KeptBackBlocks) > _available;)
        {
            if (_frontier == BlockCount) Grow();
            MoveFrontier(wanted - _available);
        }
    }

    /// <summary>The most blocks that writing out the map can need: an index, every bitmap, the overflow tree.</summary>
    /// <param name="moreLargeCounts">Blocks whose count passes 2 until then.</param>
    public ulong WriteOutRoom(ulong moreLargeCounts = 0) => 1 + (ulong)_bitmaps.Count + _overflow.MaxNodesToWrite(moreLargeCounts);

    /// <summary>Counts the blocks from the end up to <paramref name="blockCount"/> as well; they are free.</summary>
    internal void ExtendTo(ulong blockCount)
    {
        for (int i = Math.Max(_bitmaps.Count - 1, 0); i < BitmapsFor(blockCount); i++)
        {
            int entryCount = EntriesIn(i, blockCount);
            if (i == _bitmaps.Count) _bitmaps.Add(new CountBitmap(entryCount));
            else if (_bitmaps[i].EntryCount < entryCount) _bitmaps[i].ExtendTo(entryCount);
        }

        BlockCount = blockCount;
        OfferBacked();
    }

    /// <summary>The map is being written out and may use the blocks kept back for this, until <see cref="Publish"/>.</summary>
    internal void BeginWriteOut() => _isWritingOut = true;

    /// <summary>What it counts is committed now.</summary>
    /// <param name="readers">For whom blocks freed since stay held.</param>
    internal void Publish(HeldFor readers)
    {
        foreach (CountBitmap bitmap in _bitmaps) bitmap.Publish(readers);
        _isWritingOut = false;
        _cursor = 0;        // what was freed comes first: low blocks have their space
        CountAvailable();
    }

    /// <summary>Starts anew from counts read from disk.</summary>
    /// <param name="blockCount">Blocks that it counts.</param>
    /// <param name="bitmaps">The counts.</param>
    /// <param name="overflow">Those that are too large for the bitmaps.</param>
    /// <param name="keepHeld">What was held stays held: readers may still use it.</param>
    internal void Replace(ulong blockCount, List<CountBitmap> bitmaps, OverflowCounts overflow, bool keepHeld)
    {
        if (keepHeld)
        {
            foreach ((CountBitmap bitmap, CountBitmap old) in bitmaps.Zip(_bitmaps)) bitmap.HoldAlso(old);
        }

        BlockCount = blockCount;
        _bitmaps = bitmaps;
        _overflow = overflow;
        _isWritingOut = false;
        _cursor = 0;
        OfferBacked();
    }

    internal static int BitmapsFor(ulong blockCount) =>
        (int)((blockCount + BitmapHeader.EntriesPerBlock - 1) / BitmapHeader.EntriesPerBlock);

    /// <summary>How many of a bitmap's entries have a block.</summary>
    internal static int EntriesIn(int bitmap, ulong blockCount) =>
        (int)Math.Min(BitmapHeader.EntriesPerBlock, blockCount - ((ulong)bitmap * BitmapHeader.EntriesPerBlock));

    /// <summary>Which bitmap counts a block, and where in it.</summary>
    internal static int IndexOf(ulong block, out int position)
    {
        (ulong bitmap, ulong remainder) = Math.DivRem(block, (ulong)BitmapHeader.EntriesPerBlock);
        position = (int)remainder;
        return (int)bitmap;
    }

    private void SetCount(ulong block, uint old, uint count)
    {
        CountBitmap bitmap = BitmapOf(block, out int position);
        _available -= (ulong)bitmap.Available;
        bitmap[position] = Math.Min(count, CountBitmap.Many);
        _available += (ulong)bitmap.Available;
        if (Math.Max(old, count) >= CountBitmap.Many) _overflow[block] = count;
    }

    private CountBitmap BitmapOf(ulong block, out int position)
    {
        if (block >= BlockCount) throw RefCounts.NoSuchBlock(block, BlockCount);
        return _bitmaps[IndexOf(block, out position)];
    }

    /// <summary>Searches from the cursor to the end, then from the start. There is a block to be found.</summary>
    private ulong FindAvailable()
    {
        int first = IndexOf(_cursor, out int from);
        for (int i = 0; i <= _bitmaps.Count; i++)
        {
            int index = (first + i) % _bitmaps.Count;
            int position = _bitmaps[index].FindAvailable(i == 0 ? from : 0);
            if (position >= 0) return ((ulong)index * BitmapHeader.EntriesPerBlock) + (ulong)position;
        }

        throw new UnreachableException("the number of available blocks is wrong");
    }

    /// <summary>Takes the space of more blocks. Some of them may be in use.</summary>
    private void MoveFrontier(ulong missing)
    {
        ulong left = BlockCount - _frontier;
        ulong least = Math.Min(missing, left);
        ulong step = Math.Clamp(StepBlocks, least, left);
        if (!TryReserve(step, out DeviceException? fault) && (step == least || !TryReserve(step = least, out fault)))
            throw Full("and its file system has no space for more", fault);
        _frontier += step;
        OfferBacked();
    }

    private bool TryReserve(ulong count, out DeviceException? fault)
    {
        fault = null;
        try
        {
            (_blocks.Device as IReservable)?.Reserve((long)_frontier * BlockManager.BlockSize, (long)count * BlockManager.BlockSize);
            return true;
        }
        catch (DeviceException refusal) when (refusal.Errno is Errno.ENOSPC or Errno.EDQUOT)
        {
            fault = refusal;
            return false;
        }
    }

    private void OfferBacked()
    {
        _frontier = _blocks.Device is IReservable ? Math.Min(_frontier, BlockCount) : BlockCount;
        for (int i = 0; i < _bitmaps.Count; i++)
        {
            ulong first = (ulong)i * BitmapHeader.EntriesPerBlock;
            CountBitmap bitmap = _bitmaps[i];
            int backed = _frontier <= first ? 0 : (int)Math.Min(_frontier - first, (ulong)bitmap.EntryCount);
            if (backed != bitmap.Backed) bitmap.Back(backed);
        }

        CountAvailable();
    }

    /// <summary>Takes in blocks that the device has beyond the end of the map: somebody may have extended it, or else it is
    /// extended now.</summary>
    private void Grow()
    {
        (_blocks.Device as IRefreshable)?.RefreshLength();
        if (_blocks.BlockCount <= BlockCount) ExtendDevice();
        ulong blockCount = Math.Min(_blocks.BlockCount, BitmapHeader.MaxMetadataBlocks);
        if (blockCount <= BlockCount) throw Full("and the format has no room for more");
        ExtendTo(blockCount);
    }

    private void ExtendDevice()
    {
        ulong wanted = Math.Min(BlockCount + Math.Max(StepBlocks, BlockCount / 4), BitmapHeader.MaxMetadataBlocks);
        try
        {
            if (_blocks.Device is not IExtendable device || !device.TryExtend((long)wanted * BlockManager.BlockSize))
                throw Full("and the device has a fixed size");
        }
        catch (DeviceException fault) when (fault.Errno is Errno.ENOSPC or Errno.EDQUOT or Errno.EFBIG)
        {
            throw Full("and the device cannot be made longer", fault);
        }
    }

    private MetadataFullException Full(string why, Exception? inner = null) =>
        new($"the metadata device of {BlockCount} blocks is full, {why}", inner);

    private void CountAvailable()
    {
        _available = 0;
        foreach (CountBitmap bitmap in _bitmaps) _available += (ulong)bitmap.Available;
    }
}
