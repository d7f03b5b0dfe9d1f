namespace DmEra.Tools.Check;

/// <summary>What a metadata block is used as.</summary>
internal enum BlockUse : byte
{
    None,
    Superblock,
    SpaceMapIndex,
    SpaceMapBitmap,
    OverflowNode,
    WritesetNode,
    BitsetNode,
    BitsetBlock,
    EraNode,
    EraBlock,
}

/// <summary>What following one more pointer to a block has shown.</summary>
internal enum Arrival
{
    /// <summary>Nobody was here before: look at the block.</summary>
    First,

    /// <summary>The other of live metadata and snapshot was: it has been looked at.</summary>
    Shared,

    /// <summary>An array block that more entries of an index name, which is honest if it is counted: look at it, for they may need
    /// more of it.</summary>
    Again,

    /// <summary>The same state was here before, or another structure: two owners that do not know of each other.</summary>
    Clash,

    /// <summary>There is no such block.</summary>
    Outside,
}

/// <summary>Keeps account of every pointer that is followed: how many lead to each block, and from where the first
/// one came.</summary>
internal sealed class BlockLedger(ulong blockCount)
{
    private const byte UseMask = 0x3F;
    private const int ListsShift = 6;

    private readonly uint[] _pointers = new uint[blockCount];
    private readonly uint[] _parents = new uint[blockCount];
    private readonly byte[] _uses = new byte[blockCount];
    private readonly Dictionary<ulong, int> _neededOfLast = [];

    /// <summary>Metadata blocks there are.</summary>
    public ulong BlockCount { get; } = blockCount;

    /// <summary>Pointers to a block that have been followed.</summary>
    public uint Pointers(ulong block) => _pointers[block];

    /// <summary>What a block was used as when it was first met.</summary>
    public BlockUse Use(ulong block) => (BlockUse)(_uses[block] & UseMask);

    /// <summary>Follows pointers.</summary>
    /// <param name="block">Where to.</param>
    /// <param name="count">How many there are in a row.</param>
    /// <param name="parent">The block they lie in.</param>
    /// <param name="use">What the block is taken for.</param>
    /// <param name="list">The state that is walked: live, or snapshot.</param>
    public Arrival Follow(ulong block, uint count, ulong parent, BlockUse use, ChangeLists list)
    {
        if (block >= BlockCount) return Arrival.Outside;
        byte before = _uses[block];
        _pointers[block] += count;
        _uses[block] |= (byte)((int)list << ListsShift);
        if (before == 0)
        {
            _uses[block] |= (byte)use;
            _parents[block] = (uint)parent;
            return Arrival.First;
        }

        if ((BlockUse)(before & UseMask) != use) return Arrival.Clash;
        if (list != ChangeLists.None && (before >> ListsShift & (int)list) == 0) return Arrival.Shared;
        return use is BlockUse.BitsetBlock or BlockUse.EraBlock ? Arrival.Again : Arrival.Clash;
    }

    /// <summary>Notes how many values are needed of an array block: of a last one a part, of others all.</summary>
    /// <returns>Whether they are more than those who came before needed.</returns>
    public bool NeedsMore(ulong block, int values, bool isAll)
    {
        bool isMore = _neededOfLast.TryGetValue(block, out int before) && values > before;
        if (isAll) _neededOfLast.Remove(block);
        else _neededOfLast[block] = Math.Max(values, before);
        return isMore;
    }

    /// <summary>The way by which a block was first met, from the superblock on.</summary>
    public IReadOnlyList<ulong> PathTo(ulong block)
    {
        List<ulong> path = [block];
        while (block != 0)
        {
            block = _parents[block];
            path.Insert(0, block);
        }

        return path;
    }

    /// <summary>The lists that depend on the last block of a path: those that reach any block of it.</summary>
    public ChangeLists ListsThrough(IReadOnlyList<ulong> path)
    {
        int lists = 0;
        foreach (ulong block in path)
        {
            if (block != 0 && block < BlockCount) lists |= _uses[block] >> ListsShift;
        }

        return (ChangeLists)lists;
    }
}
