using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.History;
using DmEra.Target.Metadata;

namespace DmEra.Tools.Check;

/// <summary>
/// Compares what the space map counts with the pointers that were followed. No list of changes depends on the space map.
/// But a block that it counts too low may have been given to somebody else meanwhile: what is in it is in doubt.
/// </summary>
internal sealed class CountComparison(Inspection inspection, SpaceMapWalk spaceMap, Superblock superblock)
{
    private const uint InOverflowTree = 3;

    private readonly byte[] _counts = new byte[MetadataSpaceMap.BlocksPerBitmap];      // of the bitmap in hand
    private readonly HashSet<ulong> _overflowUsed = [];
    private ulong _allocated;
    private ulong _leakBegin;       // of a run of blocks that are counted and not used
    private ulong _leakEnd;
    private bool _isWhole = true;   // every bitmap could be read

    /// <summary>Compares everything, and logs what differs.</summary>
    public void Run()
    {
        ulong deviceBlocks = inspection.Ledger.BlockCount;
        ulong counted = spaceMap.Root.NrBlocks;
        if (counted > deviceBlocks)
        {
            LogAtRoot(
                FaultLevel.Damage,
                $"it counts {counted} blocks, but there are only {deviceBlocks}: all of them are {counted * BlockManager.BlockSize} bytes");
        }

        for (int i = 0; i < spaceMap.Bitmaps.Count; i++) CompareBitmap(i);
        EndLeak();
        if (spaceMap.Bitmaps.Count == 0) return;
        CompareUncounted(counted, deviceBlocks);
        if (!_isWhole) return;
        if (_allocated != spaceMap.Root.NrAllocated)
            LogAtRoot(FaultLevel.Leak, $"nr_allocated is {spaceMap.Root.NrAllocated}, but {_allocated} blocks have a count");
        foreach (ulong block in spaceMap.Overflow.Keys.Where(block => !_overflowUsed.Contains(block)).Order())
            LogAtRoot(FaultLevel.Leak, $"a count in the overflow tree for block {block}, which has none above 2");
    }

    // Whoever takes these blocks into the map takes them for free.
    private void CompareUncounted(ulong counted, ulong deviceBlocks)
    {
        for (ulong block = counted; block < deviceBlocks; block++)
        {
            uint pointers = inspection.Ledger.Pointers(block);
            if (pointers > 0) LogTooLow(block, count: 0, pointers);
        }
    }

    private void CompareBitmap(int index)
    {
        IndexEntry entry = spaceMap.Bitmaps[index];
        if (!TryRead(entry.BlockNumber))
        {
            _isWhole = false;
            return;
        }

        ulong first = (ulong)index * MetadataSpaceMap.BlocksPerBitmap;
        int inside = (int)Math.Min(spaceMap.Root.NrBlocks - first, MetadataSpaceMap.BlocksPerBitmap);
        int used = 0;
        int firstFree = inside;
        for (int i = 0; i < inside; i++)
        {
            uint count = _counts[i];
            if (count != 0) used++;
            else firstFree = Math.Min(firstFree, i);
            Compare(first + (ulong)i, count);
        }

        _allocated += (ulong)used;
        CheckTail(entry, inside);
        CheckIndexEntry(entry, inside, used, firstFree);
    }

    private void Compare(ulong block, uint count)
    {
        uint pointers = block < inspection.Ledger.BlockCount ? inspection.Ledger.Pointers(block) : 0;
        if (count == pointers && count < InOverflowTree) return;
        if (count == InOverflowTree)
        {
            _overflowUsed.Add(block);
            bool isCounted = spaceMap.Overflow.TryGetValue(block, out uint large);
            if (!isCounted && !spaceMap.IsOverflowWhole) return;
            if (large < InOverflowTree)
            {
                string what = isCounted ? $"a count of {large}" : "no count";
                LogAtRoot(FaultLevel.Damage, $"the overflow tree has {what} for block {block}, but the bitmap says 3 or more");
            }

            if (isCounted) count = large;
        }

        if (count < pointers) LogTooLow(block, count, pointers);
        else if (count > pointers && !inspection.IsIncomplete) LogTooHigh(block, count, pointers);
    }

    private void LogTooLow(ulong block, uint count, uint pointers)
    {
        IReadOnlyList<ulong> path = inspection.Ledger.PathTo(block);
        ChangeLists lists = inspection.Ledger.ListsThrough(path);
        string cause = $"block {block} has {pointers} pointer{(pointers == 1 ? "" : "s")}, but a count of {count}: it may have been overwritten";
        inspection.Faults.Add(new Fault(FaultLevel.Damage, SpaceMapWalk.Place.Place, cause, path)
        {
            InDoubt = lists,
            Blocks = lists == ChangeLists.None ? null : new BlockRange(0, superblock.NrBlocks),
            Eras = lists == ChangeLists.None ? null : EraRange.UpTo(superblock.CurrentEra),
        });
    }

    private void LogTooHigh(ulong block, uint count, uint pointers)
    {
        if (pointers != 0)
        {
            string cause = $"block {block} has a count of {count}, but {pointers} pointer{(pointers == 1 ? "" : "s")}";
            Log(FaultLevel.Leak, cause, inspection.Ledger.PathTo(block));
            return;
        }

        if (block != _leakEnd) EndLeak();
        if (_leakBegin == _leakEnd) _leakBegin = block;
        _leakEnd = block + 1;
    }

    private void EndLeak()
    {
        ulong count = _leakEnd - _leakBegin;
        if (count != 0)
        {
            string which = count == 1 ? $"block {_leakBegin} is" : $"blocks {_leakBegin} to {_leakEnd - 1} are";
            LogAtRoot(FaultLevel.Leak, $"{which} counted as in use, but nothing points there");
        }

        _leakBegin = _leakEnd = 0;
    }

    private void CheckTail(IndexEntry entry, int inside)
    {
        if (_counts.AsSpan(inside).ContainsAnyExcept((byte)0))
            Log(FaultLevel.Cosmetic, "counts behind the end of the device", inspection.Ledger.PathTo(entry.BlockNumber));
    }

    private void CheckIndexEntry(IndexEntry entry, int inside, int used, int firstFree)
    {
        // Linux counts free entries against the full bitmap, others against the end of the device.
        bool isRight = entry.NrFree == MetadataSpaceMap.BlocksPerBitmap - used || entry.NrFree == inside - used;
        // Linux formats without writing the index once more at the end: two allocations are missing in it.
        bool isNeverResumed = superblock.CurrentEra == 0 && superblock.NrBlocks == 0;
        if (!isRight && !(isNeverResumed && entry.NrFree == MetadataSpaceMap.BlocksPerBitmap - used + 2))
            LogAtIndex($"nr_free of bitmap {entry.BlockNumber} is {entry.NrFree}, not {inside - used}");
        if (firstFree < inside && entry.NoneFreeBefore > firstFree)
            LogAtIndex($"none_free_before of bitmap {entry.BlockNumber} is {entry.NoneFreeBefore}, but {firstFree} is free");
    }

    private bool TryRead(ulong address)
    {
        if (address >= inspection.Ledger.BlockCount || inspection.Ledger.Use(address) != BlockUse.SpaceMapBitmap) return false;
        try
        {
            SpaceMapReader.ReadBitmap(inspection.Reader, address, _counts);
            return true;
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            Log(FaultLevel.Damage, FaultLog.CauseOf(fault), inspection.Ledger.PathTo(address));
            return false;
        }
    }

    private void LogAtIndex(string cause) =>
        Log(FaultLevel.Leak, cause, inspection.Ledger.PathTo(spaceMap.Root.BitmapRoot));

    private void LogAtRoot(FaultLevel level, string cause) => Log(level, cause, [Superblock.Location]);

    private void Log(FaultLevel level, string cause, IReadOnlyList<ulong> path) =>
        inspection.Faults.Add(SpaceMapWalk.Place.Harmless(level, cause, path));
}
