using DmEra.Backup.Packs;

namespace DmEra.Backup.Maps;

/// <summary>
/// Makes a new map out of an old one and changes in ascending order. A region is written once it is left behind and
/// every pack that it leads to is closed; regions that come out as they were stay shared with the old map.
/// </summary>
/// <param name="old">The map to start from.</param>
/// <param name="sizeSectors">Length of the device now.</param>
/// <param name="content">Writes the packs that new extents lead to.</param>
/// <param name="index">Takes the maps.</param>
internal sealed class MapEditor(ImageMap old, long sizeSectors, PackWriter content, PackWriter index)
{
    // Extents of regions that wait for a pack to be closed: about 8 MiB.
    private const int MaxWaitingExtents = 1 << 18;

    private readonly Queue<(long Region, List<MapExtent> Extents, PackReference? Last)> _waiting = new();
    private readonly List<(long Region, PackReference? Pack, int Record)> _written = [];
    private int _waitingExtents;

    private long _region = -1;
    private List<MapExtent> _before = [];
    private List<MapExtent> _after = [];
    private PackReference? _last;   // the one that is closed last of those the region newly leads to
    private int _done;              // extents of _before that are dealt with in full
    private long _position;         // sectors before this one are dealt with

    /// <summary>Says where the content of sectors is now, which lie in one region, behind all those told before.</summary>
    /// <param name="first">The first sector.</param>
    /// <param name="count">How many.</param>
    /// <param name="pack">The pack; null for zeroes.</param>
    public void Set(long first, int count, PackReference? pack)
    {
        long region = first / RegionMap.Sectors;
        if (region != _region)
        {
            Leave();
            Enter(region);
        }

        CopyUntil(first);
        SkipUntil(first + count);
        if (pack is null) return;
        RegionMap.Append(_after, new MapExtent(first, count, pack));
        if (!pack.IsClosed) _last = pack;
    }

    /// <summary>Writes what is left, closes all packs, and tells where the new map is.</summary>
    public RecordAddress Finish()
    {
        long tail = sizeSectors % RegionMap.Sectors;
        if (old.SizeSectors > sizeSectors && tail > 0) Set(sizeSectors, (int)(RegionMap.Sectors - tail), null);
        Leave();
        content.Close();
        WriteWaiting();
        index.Close();
        if (_written.Count == 0 && old.SizeSectors == sizeSectors) return old.Address;

        SortedDictionary<long, RecordAddress> regions = [];
        foreach ((long region, RecordAddress address) in old.Regions)
        {
            if (region < ImageMap.RegionCount(sizeSectors)) regions.Add(region, address);
        }

        foreach ((long region, PackReference? pack, int record) in _written)
        {
            if (pack is null) regions.Remove(region);
            else regions[region] = new RecordAddress(pack.Name, (uint)record);
        }

        if (regions.Count == 0) return default;
        (PackReference map, int number) = ImageMap.Write(regions, sizeSectors, index);
        index.Close();
        return new RecordAddress(map.Name, (uint)number);
    }

    private void Enter(long region)
    {
        _region = region;
        _before = old.Region(region);
        _after = [];
        _last = null;
        _done = 0;
        _position = 0;
    }

    private void Leave()
    {
        if (_region < 0) return;
        CopyUntil(long.MaxValue);
        if (IsAsBefore()) return;
        _waiting.Enqueue((_region, _after, _last));
        _waitingExtents += _after.Count;
        if (_waitingExtents > MaxWaitingExtents) content.Close();
        WriteWaiting();
    }

    private bool IsAsBefore()
    {
        if (_after.Count != _before.Count) return false;
        for (int i = 0; i < _after.Count; i++)
        {
            if (_after[i].First != _before[i].First || _after[i].Count != _before[i].Count
                || !_after[i].Pack.IsSameAs(_before[i].Pack))
            {
                return false;
            }
        }

        return true;
    }

    // Packs are closed in the order in which regions began to lead to them.
    private void WriteWaiting()
    {
        while (_waiting.TryPeek(out (long Region, List<MapExtent> Extents, PackReference? Last) next)
            && next.Last is not { IsClosed: false })
        {
            _waiting.Dequeue();
            _waitingExtents -= next.Extents.Count;
            if (next.Extents.Count == 0)
            {
                _written.Add((next.Region, null, 0));
                continue;
            }

            long firstSector = next.Region * RegionMap.Sectors;
            PackReference pack = index.AppendMap(firstSector, RegionMap.Encode(next.Extents, firstSector), out int record);
            _written.Add((next.Region, pack, record));
        }
    }

    private void CopyUntil(long end)
    {
        for (; _done < _before.Count; _done++)
        {
            MapExtent extent = _before[_done];
            long first = Math.Max(extent.First, _position);
            if (first >= end) break;
            RegionMap.Append(_after, extent with { First = first, Count = (int)(Math.Min(extent.End, end) - first) });
            if (extent.End > end) break;
        }

        _position = end;
    }

    private void SkipUntil(long end)
    {
        while (_done < _before.Count && _before[_done].End <= end) _done++;
        _position = end;
    }
}
