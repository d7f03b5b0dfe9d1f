using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.History;
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

        ulong blockCount = Math.Min((ulong)metadata.Length / MetadataReader.BlockSize, BitmapHeader.MaxMetadataBlocks);
        Inspection inspection = new(reader, new BlockLedger(blockCount), faults);
        inspection.Ledger.Follow(Superblock.Location, Superblock.Location, BlockUse.Superblock, ChangeLists.None);
        ArrayBlockCrew crew = new(metadata, inspection);
        SpaceMapWalk spaceMap = SpaceMapWalk.Run(inspection, superblock);
        new StateWalk(inspection, crew, superblock, ChangeLists.Live, Superblock.Location).Run();
        WalkSnapshot(inspection, crew, superblock);
        crew.Complete();
        new CountComparison(inspection, spaceMap, superblock).Run();
        return Report(faults, [.. faults.Kept.Select(fault => WithSharedDoubt(fault, inspection.Ledger))], superblock);
    }

    private static void WalkSnapshot(Inspection inspection, ArrayBlockCrew crew, Superblock live)
    {
        ulong address = live.MetadataSnap;
        if (address == 0) return;
        SnapshotPointer pointer = new(live.NrBlocks);
        if (!inspection.Enter(pointer, BlockUse.Superblock, address, Superblock.Location, 0, ulong.MaxValue)) return;
        ulong[] path = [Superblock.Location, address];
        Superblock? snapshot = SuperblockInspector.Inspect(inspection.Reader, path, ChangeLists.Snapshot, inspection.Faults);
        if (snapshot is null)
        {
            inspection.IsIncomplete = true;
            return;
        }

        if (snapshot.Value.CurrentEra > live.CurrentEra)
        {
            string cause = $"it is of era {snapshot.Value.CurrentEra}, but the current one is {live.CurrentEra}";
            inspection.Faults.Add(pointer.Hiding(cause, path, 0, ulong.MaxValue));
        }

        new StateWalk(inspection, crew, snapshot.Value, ChangeLists.Snapshot, address).Run();
    }

    // What hides a part of the live state hides it of the snapshot, too, where they share the block or one above it.
    private static Fault WithSharedDoubt(Fault fault, BlockLedger ledger) =>
        fault.InDoubt == ChangeLists.None ? fault : fault with { InDoubt = fault.InDoubt | ledger.ListsThrough(fault.Path) };

    private static CheckReport Report(FaultLog log, IReadOnlyList<Fault> faults, Superblock? superblock)
    {
        ChangeLists inDoubt = faults.Aggregate(log.InDoubt, static (lists, fault) => lists | fault.InDoubt);
        // Of the faults that were not kept, nobody knows what the two states share.
        if (log.Kept.Count < log.Count && inDoubt != ChangeLists.None) inDoubt |= ChangeLists.Live | ChangeLists.Snapshot;
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
