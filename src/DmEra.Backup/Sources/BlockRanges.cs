using DmEra.Backup.Maps;
using DmEra.Target.History;

namespace DmEra.Backup.Sources;

/// <summary>From origin blocks to sectors.</summary>
internal static class BlockRanges
{
    /// <summary>The sectors of blocks.</summary>
    /// <param name="blocks">Runs of blocks, ascending.</param>
    /// <param name="blockSizeSectors">Size of a block.</param>
    /// <param name="end">Where the device ends; the last block may reach beyond that.</param>
    public static IEnumerable<SectorRange> ToSectors(this IEnumerable<BlockRange> blocks, uint blockSizeSectors, long end)
    {
        foreach (BlockRange range in blocks)
        {
            long first = (long)range.Begin * blockSizeSectors;
            if (first >= end) yield break;
            yield return new SectorRange(first, Math.Min((long)range.End * blockSizeSectors, end));
        }
    }
}
