using DmEra.Backup.Maps;
using DmEra.Backup.Packs;

namespace DmEra.Backup.Upkeep;

/// <summary>
/// Makes maps lead to where content was moved to. Regions that several images share are still shared afterwards.
/// </summary>
/// <param name="moved">Where the content of packs is now.</param>
/// <param name="index">Takes the maps.</param>
internal sealed class MapRewriter(MovedContent moved, PackWriter index)
{
    private readonly Dictionary<RecordAddress, (PackReference Pack, int Record)> _regions = [];

    /// <summary>Writes the maps of all regions that lead to moved content.</summary>
    public void WriteRegions(ImageMap map)
    {
        foreach ((long region, RecordAddress address) in map.Regions)
        {
            if (_regions.ContainsKey(address)) continue;
            List<MapExtent> extents = map.Region(region);
            if (!extents.Exists(extent => moved.IsMoved(extent.Pack.Name))) continue;
            long firstSector = region * RegionMap.Sectors;
            byte[] record = RegionMap.Encode(moved.Follow(extents), firstSector);
            _regions.Add(address, (index.AppendMap(firstSector, record, out int number), number));
        }
    }

    /// <summary>Writes the map of an image, once the packs with its regions are closed.</summary>
    /// <returns>null when it stays as it is.</returns>
    public (PackReference Pack, int Record)? WriteMap(ImageMap map)
    {
        if (!map.Regions.Any(region => _regions.ContainsKey(region.Value))) return null;
        return ImageMap.Write(
            map.Regions.Select(region => KeyValuePair.Create(region.Key, _regions.TryGetValue(region.Value, out (PackReference Pack, int Record) place)
                ? new RecordAddress(place.Pack.Name, (uint)place.Record)
                : region.Value)),
            map.SizeSectors,
            index);
    }
}

/// <summary>Where the content of packs was moved to. A pack may have gone to several, in the order of its sectors.</summary>
internal sealed class MovedContent
{
    private readonly Dictionary<PackName, List<(long First, PackReference Pack)>> _moves = [];

    /// <summary>True when a pack's content was moved.</summary>
    public bool IsMoved(PackName pack) => _moves.ContainsKey(pack);

    /// <summary>Notes that a pack's content from a sector on is elsewhere now.</summary>
    public void Add(PackName from, long first, PackReference to)
    {
        if (!_moves.TryGetValue(from, out List<(long First, PackReference Pack)>? moves)) _moves.Add(from, moves = []);
        if (moves.Count == 0 || moves[^1].Pack != to) moves.Add((first, to));
    }

    /// <summary>The same extents, leading to where the content is now.</summary>
    public List<MapExtent> Follow(IEnumerable<MapExtent> extents)
    {
        List<MapExtent> followed = [];
        foreach (MapExtent extent in extents)
        {
            if (_moves.TryGetValue(extent.Pack.Name, out List<(long First, PackReference Pack)>? moves))
                Follow(extent, moves, followed);
            else
                RegionMap.Append(followed, extent);
        }

        return followed;
    }

    private static void Follow(MapExtent extent, List<(long First, PackReference Pack)> moves, List<MapExtent> followed)
    {
        // The record that holds the extent's first sector may begin before it.
        int move = moves.FindLastIndex(candidate => candidate.First <= extent.First);
        for (long first = extent.First; first < extent.End; move++)
        {
            long end = move + 1 < moves.Count ? Math.Min(moves[move + 1].First, extent.End) : extent.End;
            RegionMap.Append(followed, new MapExtent(first, (int)(end - first), moves[move].Pack));
            first = end;
        }
    }
}
