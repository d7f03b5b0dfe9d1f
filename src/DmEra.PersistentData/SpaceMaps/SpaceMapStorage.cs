using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.Transactions;

namespace DmEra.PersistentData.SpaceMaps;

/// <summary>
/// The disk side of <see cref="MetadataSpaceMap"/>: an index block, the bitmaps that it names, and a tree of the counts
/// from 3 up (kernel: <c>struct ll_disk</c>). They are copied on write like everything else.
/// </summary>
internal sealed class SpaceMapStorage(TransactionManager transactions, MetadataSpaceMap map)
{
    private readonly BlockManager _blocks = transactions.Blocks;
    private readonly BTree<Le32> _overflowTree = new(transactions, new NoReferences<Le32>());
    private SpaceMapRoot _root;

    // Whether the last bitmap's free entries are counted up to the end of the device, or to the end of the bitmap as
    // the kernel does it. Both are met; what was found is kept.
    private bool _countsToDeviceEnd;

    /// <summary>Where the counts are on disk, as of the last <see cref="WriteOut"/> or <see cref="Adopt"/>.</summary>
    public SpaceMapRoot Root => _root;

    /// <summary>Begins with all blocks of the device free but the superblock and the map's own.</summary>
    /// <exception cref="MetadataFullException">The device is too small.</exception>
    public void Create()
    {
        map.ExtendTo(Math.Min(_blocks.BlockCount, BitmapHeader.MaxMetadataBlocks));
        map.Allocate();     // the first block, and so the superblock
        _root.RefCountRoot = _overflowTree.CreateEmpty();
    }

    /// <summary>Reads the counts on disk; the map stays as it is until <see cref="Adopt"/>.</summary>
    /// <param name="root">Where they are.</param>
    /// <exception cref="MetadataCorruptException">They are damaged, or contradict each other.</exception>
    public StoredCounts Read(SpaceMapRoot root)
    {
        ulong blockCount = root.NrBlocks;
        if (blockCount is 0 or > BitmapHeader.MaxMetadataBlocks) throw CountsTooMany(blockCount);
        List<CountBitmap> bitmaps = LoadBitmaps(root, out bool countsToDeviceEnd);
        if (blockCount > _blocks.BlockCount && !TryRestoreLength(blockCount, bitmaps)) throw CountsTooMany(blockCount);
        OverflowCounts overflow = LoadOverflow(root.RefCountRoot, blockCount, bitmaps);
        CheckOwnBlocks(root, bitmaps);
        return new StoredCounts(root, bitmaps, overflow, countsToDeviceEnd);
    }

    /// <summary>Fills the map with counts read from disk.</summary>
    /// <param name="stored">What <see cref="Read"/> returned.</param>
    /// <param name="keepHeld">What the map held stays held: readers may still use it.</param>
    public void Adopt(StoredCounts stored, bool keepHeld)
    {
        map.Replace(stored.Root.NrBlocks, stored.Bitmaps, stored.Overflow, keepHeld);
        _root = stored.Root;
        _countsToDeviceEnd = stored.CountsToDeviceEnd;
    }

    /// <summary>Writes the changed counts to new places. Afterwards no count may change until the transaction is
    /// committed or given up.</summary>
    /// <exception cref="MetadataFullException">No block is free.</exception>
    public void WriteOut()
    {
        if (!map.IsChanged) return;
        map.BeginWriteOut();
        _root.RefCountRoot = map.Overflow.WriteTo(_overflowTree, _root.RefCountRoot);
        _root.BitmapRoot = Move(_root.BitmapRoot);
        MoveChangedBitmaps();
        WriteChangedBitmaps();
        WriteIndex();
        _root.NrBlocks = map.BlockCount;
        _root.NrAllocated = map.UsedBlocks;
    }

    /// <summary>Moves every changed bitmap. As this changes counts, more bitmaps may have changed afterwards; it ends,
    /// since each is moved but once.</summary>
    private void MoveChangedBitmaps()
    {
        bool moved;
        do
        {
            moved = false;
            for (int i = 0; i < map.Bitmaps.Count; i++)     // allocating may add bitmaps
            {
                CountBitmap bitmap = map.Bitmaps[i];
                if (!bitmap.IsChanged || bitmap.IsMoved) continue;
                bitmap.MoveTo(Move(bitmap.Address));
                moved = true;
            }
        }
        while (moved);
    }

    private ulong Move(ulong oldAddress)
    {
        ulong address = map.Allocate();
        if (oldAddress != 0) map.Dec(oldAddress);
        return address;
    }

    private void WriteChangedBitmaps()
    {
        foreach (CountBitmap bitmap in map.Bitmaps)
        {
            if (!bitmap.IsChanged) continue;
            using WriteBlock block = _blocks.WriteZeroed(bitmap.Address, BitmapValidator.Instance);
            bitmap.WriteTo(block.Data);
        }
    }

    private void WriteIndex()
    {
        using WriteBlock block = _blocks.WriteZeroed(_root.BitmapRoot, IndexBlockValidator.Instance);
        ref IndexBlock index = ref MemoryMarshal.AsRef<IndexBlock>(block.Data);
        for (int i = 0; i < map.Bitmaps.Count; i++)
        {
            CountBitmap bitmap = map.Bitmaps[i];
            int entries = _countsToDeviceEnd ? bitmap.EntryCount : BitmapHeader.EntriesPerBlock;
            index.Entries[i] = new IndexEntry
            {
                BlockNumber = bitmap.Address,
                NrFree = (uint)(entries - bitmap.Used),
                NoneFreeBefore = (uint)bitmap.NoneFreeBefore,
            };
        }
    }

    /// <summary>Reads the bitmaps that the index names. What old kernels left in the entries behind them is ignored, and
    /// so are wrong numbers of free entries, which the kernel leaves in the index when it formats.</summary>
    private List<CountBitmap> LoadBitmaps(SpaceMapRoot root, out bool countsToDeviceEnd)
    {
        using ReadBlock block = _blocks.Read(root.BitmapRoot, IndexBlockValidator.Instance);
        ref readonly IndexBlock index = ref MemoryMarshal.AsRef<IndexBlock>(block.Data);
        List<CountBitmap> bitmaps = [];
        ulong used = 0;
        for (int i = 0; i < MetadataSpaceMap.BitmapsFor(root.NrBlocks); i++)
        {
            IndexEntry entry = index.Entries[i];
            var bitmap = new CountBitmap(MetadataSpaceMap.EntriesIn(i, root.NrBlocks));
            using ReadBlock bitmapBlock = _blocks.Read(entry.BlockNumber, BitmapValidator.Instance);
            if (!bitmap.TryLoad(bitmapBlock.Data, entry))
                throw Corrupt(entry.BlockNumber, "space map bitmap counts blocks past the end of the device");
            bitmaps.Add(bitmap);
            used += (ulong)bitmap.Used;
        }

        if (used != root.NrAllocated)
        {
            throw Corrupt(
                root.BitmapRoot, $"space map has {used} blocks in use, but its root says {root.NrAllocated}");
        }

        CountBitmap last = bitmaps[^1];
        countsToDeviceEnd = last.EntryCount < BitmapHeader.EntriesPerBlock
            && index.Entries[bitmaps.Count - 1].NrFree == last.EntryCount - last.Used;
        return bitmaps;
    }

    private OverflowCounts LoadOverflow(ulong overflowRoot, ulong blockCount, List<CountBitmap> bitmaps)
    {
        OverflowCounts overflow = new();
        foreach ((ulong block, Le32 count) in _overflowTree.Entries(overflowRoot))
        {
            bool isMany = block < blockCount
                && bitmaps[MetadataSpaceMap.IndexOf(block, out int position)][position] == CountBitmap.Many;
            if (!isMany || count < CountBitmap.Many)
                throw Corrupt(overflowRoot, $"space map counts {count} for block {block}, against its bitmap");
            overflow.Load(block, count);
        }

        int expected = bitmaps.Sum(bitmap => bitmap.CountOfMany());
        if (overflow.Count != expected)
        {
            throw Corrupt(
                overflowRoot, $"space map has {overflow.Count} large reference counts, but {expected} in its bitmaps");
        }

        return overflow;
    }

    /// <summary>Counts that do not even count the blocks they are in would soon be overwritten.</summary>
    private static void CheckOwnBlocks(SpaceMapRoot root, List<CountBitmap> bitmaps)
    {
        Check(0);
        Check(root.BitmapRoot);
        Check(root.RefCountRoot);
        foreach (CountBitmap bitmap in bitmaps) Check(bitmap.Address);

        void Check(ulong block)
        {
            uint count = block < root.NrBlocks
                ? bitmaps[MetadataSpaceMap.IndexOf(block, out int position)][position]
                : 0;
            if (count != 1) throw Corrupt(block, $"has reference count {count}, but is pointed at once");
        }
    }

    /// <summary>A copy of a sparse file may end where the last block in use does. The kernel wants all of it.</summary>
    private bool TryRestoreLength(ulong blockCount, List<CountBitmap> bitmaps)
    {
        for (ulong block = _blocks.BlockCount; block < blockCount; block++)
        {
            if (bitmaps[MetadataSpaceMap.IndexOf(block, out int position)][position] != 0) return false;
        }

        return _blocks.Device is IExtendable device && device.TryExtend((long)blockCount * BlockManager.BlockSize);
    }

    private MetadataCorruptException CountsTooMany(ulong blockCount) =>
        Corrupt(0, $"space map counts {blockCount} blocks, but the device has {_blocks.BlockCount}");

    private static MetadataCorruptException Corrupt(ulong block, string cause) =>
        new(block, cause, MetadataCorruption.Damaged);

    /// <summary>Counts as they were read from disk.</summary>
    internal sealed record StoredCounts(
        SpaceMapRoot Root, List<CountBitmap> Bitmaps, OverflowCounts Overflow, bool CountsToDeviceEnd);
}
