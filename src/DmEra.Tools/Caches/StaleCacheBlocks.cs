using DmEra.Target.History;

namespace DmEra.Tools.Caches;

/// <summary>
/// What a cache must forget once its origin is as it was before an era: the copies of everything that was written
/// since. And what it has that the origin has never seen.
/// </summary>
public sealed class StaleCacheBlocks
{
    private StaleCacheBlocks(uint blockCount, bool isClean, uint cached, List<BlockRange> stale, List<BlockRange> dirty)
    {
        BlockCount = blockCount;
        IsClean = isClean;
        Cached = cached;
        Stale = stale;
        Dirty = dirty;
    }

    /// <summary>Cache blocks, in use or not.</summary>
    public uint BlockCount { get; }

    /// <summary>False when every cache block counts as dirty, as the cache was not shut down in good order.</summary>
    public bool IsClean { get; }

    /// <summary>Cache blocks in use.</summary>
    public uint Cached { get; }

    /// <summary>Runs of cache blocks with a copy of something that was written since, ascending.</summary>
    public IReadOnlyList<BlockRange> Stale { get; }

    /// <summary>Runs of cache blocks that are dirty, ascending. The eras of the device below the cache do not know of
    /// them, whatever is in them; so they may be stale even if <see cref="Stale"/> does not have them.</summary>
    public IReadOnlyList<BlockRange> Dirty { get; }

    /// <summary>Finds them.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="history">The eras of its origin.</param>
    /// <param name="since">The era that began when the origin was as it is to be again.</param>
    /// <exception cref="PersistentData.Blocks.MetadataCorruptException">Part of the metadata is damaged.</exception>
    /// <exception cref="SnapshotDroppedException">It was read from a snapshot that is no longer held.</exception>
    /// <exception cref="Devices.DeviceException">A device failed.</exception>
    public static StaleCacheBlocks Find(CacheMetadata cache, EraHistory history, uint since)
    {
        WrittenSet written = new(history, since);
        List<BlockRange> stale = [];
        List<BlockRange> dirty = [];
        uint cached = 0;
        foreach (CacheMapping mapping in cache.Mappings())
        {
            cached++;
            if (mapping.IsDirty) Append(dirty, mapping.CacheBlock);
            if (written.Touches(mapping.OriginBlock, cache.BlockSizeSectors)) Append(stale, mapping.CacheBlock);
        }

        return new StaleCacheBlocks(cache.BlockCount, cache.IsClean, cached, stale, dirty);
    }

    private static void Append(List<BlockRange> ranges, uint block)
    {
        if (ranges.Count > 0 && ranges[^1].End == block) ranges[^1] = new BlockRange(ranges[^1].Begin, block + 1);
        else ranges.Add(new BlockRange(block, block + 1));
    }

    /// <summary>The origin blocks written since an era, a bit each.</summary>
    private sealed class WrittenSet
    {
        private readonly ulong[] _bits;
        private readonly UInt128 _blockSizeSectors;
        private readonly uint _blockCount;

        public WrittenSet(EraHistory history, uint since)
        {
            _blockCount = history.NrBlocks;
            _blockSizeSectors = history.DataBlockSize;
            _bits = new ulong[(_blockCount + 63UL) / 64];
            foreach (BlockRange range in history.WrittenSince(since))
            {
                for (uint block = range.Begin; block < range.End; block++) _bits[block / 64] |= 1UL << (int)(block % 64);
            }
        }

        /// <summary>Whether part of a block of another size was written. What is behind the end of the device is unknown,
        /// and counts as written.</summary>
        public bool Touches(ulong block, uint sizeSectors)
        {
            UInt128 begin = (UInt128)block * sizeSectors;
            UInt128 end = ((begin + sizeSectors - 1) / _blockSizeSectors) + 1;
            if (end > _blockCount) return true;
            for (uint own = (uint)(begin / _blockSizeSectors); own < (uint)end; own++)
            {
                if ((_bits[own / 64] >> (int)(own % 64) & 1) != 0) return true;
            }

            return false;
        }
    }
}
