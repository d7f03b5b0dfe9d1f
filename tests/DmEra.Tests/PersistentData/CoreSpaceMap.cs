using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;
using DmEra.PersistentData.Transactions;

namespace DmEra.Tests.PersistentData;

/// <summary>Reference counts in memory only. A freed block is free at once, as nothing is committed.</summary>
internal sealed class CoreSpaceMap : ISpaceMap
{
    private readonly uint[] _counts;
    private ulong _used;
    private ulong _cursor;

    /// <summary>Counts <paramref name="blockCount"/> blocks, all of them free.</summary>
    public CoreSpaceMap(ulong blockCount) => _counts = new uint[blockCount];

    /// <inheritdoc/>
    public ulong BlockCount => (ulong)_counts.Length;

    /// <inheritdoc/>
    public ulong FreeBlocks => BlockCount - _used;

    /// <inheritdoc/>
    public uint Count(ulong block) => At(block);

    /// <inheritdoc/>
    public void Inc(ulong block, uint pointers = 1)
    {
        ref uint count = ref At(block);
        if (pointers > uint.MaxValue - count) throw RefCounts.TooMany(block);
        if (count == 0 && pointers > 0) _used++;
        count += pointers;
    }

    /// <inheritdoc/>
    public void Dec(ulong block, uint pointers = 1)
    {
        ref uint count = ref At(block);
        if (pointers > count) throw RefCounts.BelowZero(block, pointers, count);
        if (count == pointers && pointers > 0) _used--;
        count -= pointers;
    }

    /// <inheritdoc/>
    public ulong Allocate()
    {
        if (FreeBlocks == 0) throw new MetadataFullException($"all {BlockCount} metadata blocks are in use");
        while (_counts[_cursor] != 0) _cursor = (_cursor + 1) % BlockCount;
        ulong block = _cursor;
        Inc(block);
        _cursor = (_cursor + 1) % BlockCount;
        return block;
    }

    private ref uint At(ulong block)
    {
        if (block >= BlockCount) throw RefCounts.NoSuchBlock(block, BlockCount);
        return ref _counts[block];
    }
}
