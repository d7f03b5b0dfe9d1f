using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Maps;

/// <summary>Records of one pack that lie side by side there and on the device; or sectors that read as zeroes.</summary>
/// <param name="First">The first sector that is meant.</param>
/// <param name="End">The sector behind the last one. The records may have more on either side.</param>
/// <param name="Pack">The pack; null for zeroes.</param>
/// <param name="Record">The first record.</param>
/// <param name="Count">How many.</param>
internal readonly record struct RecordRun(long First, long End, PackDirectory? Pack, int Record, int Count)
{
    /// <summary>Cuts a range of a device into runs: ascending, without gaps.</summary>
    /// <param name="map">The device's content.</param>
    /// <param name="reader">Reads it.</param>
    /// <param name="first">The first sector.</param>
    /// <param name="end">The sector behind the last one, in the same region.</param>
    /// <param name="maxStoredLength">Stored bytes of a run, if one record does not have more.</param>
    /// <exception cref="ObjectDamagedException">Part of the content is not there.</exception>
    public static IEnumerable<RecordRun> Of(
        List<MapExtent> map, PackReader reader, long first, long end, int maxStoredLength)
    {
        int index = RegionMap.IndexOf(map, first);
        if (index < 0) index = ~index;
        for (; first < end; index++)
        {
            MapExtent? extent = index < map.Count ? map[index] : null;
            long gapEnd = Math.Min(extent?.First ?? end, end);
            if (gapEnd > first) yield return new RecordRun(first, gapEnd, null, 0, 0);
            first = Math.Max(first, gapEnd);
            if (extent is null || first >= end) yield break;
            long extentEnd = Math.Min(extent.Value.End, end);
            PackDirectory pack = reader.Open(extent.Value.Pack.Name);
            while (first < extentEnd)
            {
                RecordRun run = InPack(pack, first, extentEnd, maxStoredLength);
                yield return run;
                first = run.End;
            }
        }
    }

    private static RecordRun InPack(PackDirectory pack, long first, long end, int maxStoredLength)
    {
        int record = pack.Find(first);
        if (record < 0 || pack.Kind != PackKind.Content)
            throw new ObjectDamagedException(pack.Name.ToString(), $"it does not have sector {first}, which a map says it has");
        int count = 1;
        while (record + count < pack.Rows.Length
            && pack.Rows[record + count - 1].EndSector < end
            && (long)pack.Rows[record + count].FirstSector.Value == pack.Rows[record + count - 1].EndSector
            && pack.RangeOf(record, count + 1).Length <= maxStoredLength)
        {
            count++;
        }

        return new RecordRun(first, Math.Min(end, pack.Rows[record + count - 1].EndSector), pack, record, count);
    }
}
