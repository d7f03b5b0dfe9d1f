using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Reading;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Metadata;

namespace DmEra.Tools.Check;

/// <summary>
/// Checks whole metadata: every block in use, every pointer between them, every reference count, and that what they
/// say fits together. A fault does not end it; each is located, and judged by what it does to the lists of changed
/// blocks.
/// </summary>
public static class MetadataChecker
{
    /// <summary>Checks the superblock alone.</summary>
    public static CheckReport CheckSuperblock(IBlockDevice metadata)
    {
        FaultLog faults = new();
        Superblock? superblock = SuperblockInspector.Inspect(new MetadataReader(metadata), [Superblock.Location], ChangeLists.Live, faults);
        return Report(faults, faults.Kept, superblock);
    }

    /// <summary>Checks everything.</summary>
    public static CheckReport Check(IBlockDevice metadata)
    {
        MetadataReader reader = new(metadata);
        FaultLog faults = new();
        if (SuperblockInspector.Inspect(reader, [Superblock.Location], ChangeLists.Live, faults) is not Superblock superblock)
            return Report(faults, faults.Kept, null);

        ulong blockCount = Math.Min(reader.BlockCount, MetadataSpaceMap.MaxBlockCount);
        Inspection inspection = new(reader, new BlockLedger(blockCount), faults);
        inspection.Ledger.Follow(Superblock.Location, 1, Superblock.Location, BlockUse.Superblock, ChangeLists.None);
        ArrayBlockCrew crew = new(metadata, inspection);
        SpaceMapWalk spaceMap = SpaceMapWalk.Run(inspection, superblock);
        Superblock? snapshot = EnterSnapshot(inspection, superblock);
        StateWalk live = new(inspection, crew, superblock, ChangeLists.Live, Superblock.Location);
        // What both share is looked at but once: by the one that needs more of it.
        if (snapshot is null || snapshot.Value.NrBlocks <= superblock.NrBlocks) live.Run();
        if (snapshot is not null) new StateWalk(inspection, crew, snapshot.Value, ChangeLists.Snapshot, superblock.MetadataSnap).Run();
        if (snapshot?.NrBlocks > superblock.NrBlocks) live.Run();
        crew.Complete();
        new CountComparison(inspection, spaceMap, superblock).Run();
        uint snapshotBlocks = snapshot?.NrBlocks ?? superblock.NrBlocks;
        return Report(
            faults, [.. faults.Kept.Select(fault => Judge(fault, inspection.Ledger, superblock.NrBlocks, snapshotBlocks))], superblock);
    }

    // What hides a part of one state hides it of the other, too, where they share the block or one above it; but a list
    // of changes has nothing behind the end of the origin.
    private static Fault Judge(Fault fault, BlockLedger ledger, uint liveBlocks, uint snapshotBlocks)
    {
        if (fault.InDoubt == ChangeLists.None) return fault;
        ChangeLists lists = fault.InDoubt | ledger.ListsThrough(fault.Path);
        if (fault.Blocks is not { Count: > 0 } blocks) return fault with { InDoubt = lists };
        if (fault.EndsWithOrigin && blocks.Begin >= liveBlocks) lists &= ~ChangeLists.Live;
        if (fault.EndsWithOrigin && blocks.Begin >= snapshotBlocks) lists &= ~ChangeLists.Snapshot;
        if (lists == ChangeLists.None) return fault with { InDoubt = lists, Blocks = null, Eras = null };
        uint end = lists == ChangeLists.Live ? liveBlocks : lists == ChangeLists.Snapshot ? snapshotBlocks : Math.Max(liveBlocks, snapshotBlocks);
        return fault with { InDoubt = lists, Blocks = blocks with { End = Math.Max(Math.Min(blocks.End, end), blocks.Begin) } };
    }

    /// <summary>Reads the superblock that a metadata snapshot is.</summary>
    /// <returns>null when there is none, or none that can be used.</returns>
    private static Superblock? EnterSnapshot(Inspection inspection, Superblock live)
    {
        ulong address = live.MetadataSnap;
        if (address == 0) return null;
        SnapshotPointer pointer = new(live.NrBlocks, live.CurrentEra);
        if (!inspection.Enter(pointer, BlockUse.Superblock, address, 1, Superblock.Location, 0, ulong.MaxValue)) return null;
        ulong[] path = [Superblock.Location, address];
        Superblock? snapshot = SuperblockInspector.Inspect(inspection.Reader, path, ChangeLists.Snapshot, inspection.Faults);
        if (snapshot is null) inspection.IsIncomplete = true;
        if (snapshot?.CurrentEra > live.CurrentEra)
        {
            string cause = $"it is of era {snapshot.Value.CurrentEra}, but the current one is {live.CurrentEra}";
            inspection.Faults.Add(pointer.Hiding(cause, path, 0, ulong.MaxValue));
        }

        return snapshot;
    }

    private static CheckReport Report(FaultLog log, IReadOnlyList<Fault> faults, Superblock? superblock)
    {
        ChangeLists inDoubt = faults.Aggregate(ChangeLists.None, static (lists, fault) => lists | fault.InDoubt);
        // Of the faults that were not kept, nobody knows what the two states share.
        if (log.Kept.Count < log.Count && log.HasDoubts) inDoubt = ChangeLists.Live | ChangeLists.Snapshot;
        return new CheckReport(
            faults,
            log.CountOf(FaultLevel.Damage),
            log.CountOf(FaultLevel.Leak),
            log.CountOf(FaultLevel.Cosmetic),
            inDoubt,
            superblock is null ? null : Facts(superblock.Value));
    }

    private static MetadataFacts Facts(Superblock superblock)
    {
        ReadOnlySpan<byte> field = superblock.MetadataSpaceMapRoot;
        SpaceMapRoot spaceMap = MemoryMarshal.Read<SpaceMapRoot>(field);
        return new MetadataFacts(
            superblock.DataBlockSize,
            superblock.NrBlocks,
            superblock.CurrentEra,
            superblock.CurrentWriteset.Root != 0,
            superblock.MetadataSnap == 0 ? null : superblock.MetadataSnap.Value,
            spaceMap.NrAllocated,
            spaceMap.NrBlocks);
    }
}
