using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.Target.History;

namespace DmEra.Tools.Check;

/// <summary>A B-tree that is being checked, and what its keys mean to people.</summary>
/// <param name="Place">What it is called.</param>
/// <param name="List">The state it belongs to; none for the space map's.</param>
/// <param name="NodeUse">What its nodes are.</param>
internal abstract record WalkedTree(string Place, ChangeLists List, BlockUse NodeUse)
{
    /// <summary>A fault in this tree that hides the values of some keys.</summary>
    /// <param name="cause">What is wrong.</param>
    /// <param name="path">The way to it.</param>
    /// <param name="firstKey">First key concerned.</param>
    /// <param name="endKey">Key behind the last one concerned.</param>
    public abstract Fault Hiding(string cause, IReadOnlyList<ulong> path, ulong firstKey, ulong endKey);

    /// <summary>A fault in this tree that hides nothing.</summary>
    public Fault Harmless(FaultLevel level, string cause, IReadOnlyList<ulong> path) => new(level, Place, cause, path);
}

/// <summary>The tree of reference counts that two bits cannot hold.</summary>
internal sealed record OverflowTree() : WalkedTree("space map", ChangeLists.None, BlockUse.OverflowNode)
{
    public override Fault Hiding(string cause, IReadOnlyList<ulong> path, ulong firstKey, ulong endKey) =>
        Harmless(FaultLevel.Damage, cause, path);
}

/// <summary>The superblock's pointer at the metadata snapshot: no tree, but as much can be behind it.</summary>
/// <param name="NrBlocks">Origin blocks.</param>
/// <param name="CurrentEra">No era is later.</param>
internal sealed record SnapshotPointer(uint NrBlocks, uint CurrentEra)
    : WalkedTree("metadata snapshot", ChangeLists.Snapshot, BlockUse.Superblock)
{
    public override Fault Hiding(string cause, IReadOnlyList<ulong> path, ulong firstKey, ulong endKey) =>
        new(FaultLevel.Damage, Place, cause, path)
        {
            InDoubt = List,
            Blocks = new BlockRange(0, NrBlocks),
            Eras = EraRange.UpTo(CurrentEra),
        };
}

/// <summary>The tree of archived writesets: its keys are eras.</summary>
/// <param name="Prefix">Says of which state it is.</param>
/// <param name="List">The state.</param>
/// <param name="NrBlocks">Origin blocks.</param>
/// <param name="CurrentEra">No era is later.</param>
internal sealed record WritesetTree(string Prefix, ChangeLists List, uint NrBlocks, uint CurrentEra)
    : WalkedTree(Prefix + "writeset tree", List, BlockUse.WritesetNode)
{
    public override Fault Hiding(string cause, IReadOnlyList<ulong> path, ulong firstKey, ulong endKey) =>
        new(FaultLevel.Damage, Place, cause, path)
        {
            InDoubt = List,
            // A writeset that is out of reach may have marked any block.
            Blocks = new BlockRange(0, NrBlocks),
            Eras = new EraRange((uint)Math.Min(firstKey, CurrentEra), (uint)Math.Min(endKey - 1, CurrentEra)),
        };
}

/// <summary>An array and its index, whose keys are numbers of array blocks.</summary>
/// <param name="Place">What it is called.</param>
/// <param name="List">The state it belongs to.</param>
/// <param name="NodeUse">What its nodes are.</param>
/// <param name="NrBlocks">Origin blocks it tells of.</param>
/// <param name="LatestEra">The era whose writes it has, or the latest of those it has.</param>
internal abstract record WalkedArray(string Place, ChangeLists List, BlockUse NodeUse, uint NrBlocks, uint LatestEra)
    : WalkedTree(Place, List, NodeUse)
{
    /// <summary>What its array blocks are.</summary>
    public abstract BlockUse BlockUse { get; }

    /// <summary>Bytes of a value.</summary>
    public abstract int ValueSize { get; }

    /// <summary>Origin blocks that a value tells of.</summary>
    public abstract uint OriginBlocksPerValue { get; }

    /// <summary>Values in every array block but the last.</summary>
    public int ValuesPerBlock => ArrayBlockHeader.CapacityFor(ValueSize);

    /// <summary>Origin blocks that a whole array block tells of.</summary>
    public uint OriginBlocksPerBlock => (uint)ValuesPerBlock * OriginBlocksPerValue;

    /// <summary>Array blocks it must have.</summary>
    public ulong BlockCount => ((ulong)NrBlocks + OriginBlocksPerBlock - 1) / OriginBlocksPerBlock;

    /// <summary>The eras that it tells of.</summary>
    protected abstract EraRange? KnownEras { get; }

    public override Fault Hiding(string cause, IReadOnlyList<ulong> path, ulong firstKey, ulong endKey) =>
        Doubting(cause, path, new BlockRange(FirstOriginBlockOf(firstKey), FirstOriginBlockOf(endKey)));

    /// <summary>Values that one of its blocks must have: none behind the last block it needs.</summary>
    public int ValuesIn(ulong index)
    {
        if (index >= BlockCount) return 0;
        ulong originBlocks = Math.Min(NrBlocks - (index * OriginBlocksPerBlock), OriginBlocksPerBlock);
        return (int)((originBlocks + OriginBlocksPerValue - 1) / OriginBlocksPerValue);
    }

    /// <summary>A fault that puts in doubt what the array says of some origin blocks.</summary>
    public Fault Doubting(string cause, IReadOnlyList<ulong> path, BlockRange blocks) =>
        new(FaultLevel.Damage, Place, cause, path)
        {
            InDoubt = List,
            Blocks = blocks,
            Eras = KnownEras,
            EndsWithOrigin = this is WalkedEraArray,
        };

    private uint FirstOriginBlockOf(ulong index) =>
        (uint)Math.Min(Math.Min(index, uint.MaxValue) * OriginBlocksPerBlock, uint.MaxValue);
}

/// <summary>An era array.</summary>
internal sealed record WalkedEraArray(string Prefix, ChangeLists List, uint NrBlocks, uint LatestEra)
    : WalkedArray(Prefix + "era array", List, BlockUse.EraNode, NrBlocks, LatestEra)
{
    public override BlockUse BlockUse => BlockUse.EraBlock;

    public override int ValueSize => sizeof(uint);

    public override uint OriginBlocksPerValue => 1;

    protected override EraRange? KnownEras => EraRange.UpTo(LatestEra);
}

/// <summary>The bitset of a writeset.</summary>
internal sealed record WalkedBitset(string Prefix, ChangeLists List, uint NrBlocks, uint LatestEra)
    : WalkedArray($"{Prefix}writeset of era {LatestEra}", List, BlockUse.BitsetNode, NrBlocks, LatestEra)
{
    public override BlockUse BlockUse => BlockUse.BitsetBlock;

    public override int ValueSize => sizeof(ulong);

    public override uint OriginBlocksPerValue => PersistentBitset.BitsPerWord;

    protected override EraRange? KnownEras => new EraRange(LatestEra, LatestEra);
}
