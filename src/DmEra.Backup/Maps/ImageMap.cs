using System.Runtime.InteropServices;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Maps;

/// <summary>
/// The whole content of a device at one point in time: for each of its sectors, the pack that has it. Maps share the
/// regions in which they do not differ, so that one costs what changed. Immutable; any thread.
/// </summary>
/// <remarks>The map is a page of the places of all regions; of a device with more regions than a page has room for, it is a
/// page of the places of such pages.</remarks>
internal sealed class ImageMap
{
    /// <summary>The longest device: no file and no block device of Linux is longer.</summary>
    public const long MaxSectors = long.MaxValue / RecordRow.SectorSize;

    /// <summary>Regions of a page, so that it is one record: 128 TiB.</summary>
    public const int RegionsOfPage = 1 << 18;

    private readonly SortedList<long, RecordAddress> _regions;      // those that have content
    private readonly List<RecordAddress> _records;
    private readonly PackReader _reader;

    private ImageMap(long sizeSectors, PackReader reader)
    {
        SizeSectors = sizeSectors;
        _reader = reader;
        _regions = [];
        _records = [];
    }

    /// <summary>Where the map is.</summary>
    public RecordAddress Address => _records.Count == 0 ? default : _records[0];

    /// <summary>Length of the device in sectors.</summary>
    public long SizeSectors { get; }

    /// <summary>Where the maps of regions are, ascending; what is not here reads as zeroes.</summary>
    public IEnumerable<KeyValuePair<long, RecordAddress>> Regions => _regions;

    /// <summary>The records that the map itself is made of.</summary>
    public IReadOnlyList<RecordAddress> Records => _records;

    /// <summary>Regions of a device of this length.</summary>
    public static long RegionCount(long sizeSectors) => CountOf(sizeSectors, RegionMap.Sectors);

    /// <summary>A device full of zeroes.</summary>
    public static ImageMap Empty(long sizeSectors, PackReader reader) => new(sizeSectors, reader);

    /// <summary>Reads the map at an address.</summary>
    /// <exception cref="ObjectDamagedException">It is not there as it was written.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public static ImageMap Load(RecordAddress address, long sizeSectors, PackReader reader)
    {
        ImageMap map = Empty(sizeSectors, reader);
        if (address.IsEmpty) return map;
        long regions = RegionCount(sizeSectors);
        if (regions <= RegionsOfPage)
        {
            map.AddPage(address, 0, regions);
            return map;
        }

        RecordAddress[] pages = map.ReadPage(address, CountOf(regions, RegionsOfPage));
        for (int page = 0; page < pages.Length; page++)
        {
            long first = (long)page * RegionsOfPage;
            if (!pages[page].IsEmpty) map.AddPage(pages[page], first, Math.Min(RegionsOfPage, regions - first));
        }

        return map;
    }

    /// <summary>Writes a map; all packs that it leads to must be closed.</summary>
    /// <param name="regions">Where the maps of regions are, ascending.</param>
    /// <param name="sizeSectors">Length of the device.</param>
    /// <param name="index">Takes it.</param>
    /// <returns>Where it is, once that pack is closed.</returns>
    public static (PackReference Pack, int Record) Write(
        IEnumerable<KeyValuePair<long, RecordAddress>> regions, long sizeSectors, PackWriter index)
    {
        long count = RegionCount(sizeSectors);
        if (count <= RegionsOfPage) return WritePage(regions, 0, count, index);
        List<(long Page, PackReference Pack, int Record)> written = [];
        foreach (IGrouping<long, KeyValuePair<long, RecordAddress>> page in regions.GroupBy(region => region.Key / RegionsOfPage))
        {
            long first = page.Key * RegionsOfPage;
            (PackReference pack, int record) = WritePage(page, first, Math.Min(RegionsOfPage, count - first), index);
            written.Add((page.Key, pack, record));
        }

        index.Close();
        return WritePage(
            written.Select(page => KeyValuePair.Create(page.Page, new RecordAddress(page.Pack.Name, (uint)page.Record))),
            0, CountOf(count, RegionsOfPage), index);
    }

    /// <summary>Where the map of a region is.</summary>
    public RecordAddress AddressOf(long region) => _regions.GetValueOrDefault(region);

    /// <summary>The extents of a region.</summary>
    /// <exception cref="ObjectDamagedException">Its map is not there as it was written.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public List<MapExtent> Region(long index)
    {
        RecordAddress address = AddressOf(index);
        if (address.IsEmpty) return [];
        byte[] record = _reader.ReadRecord(address.Pack, (int)address.Record.Value);
        return RegionMap.Decode(record, index * RegionMap.Sectors)
            ?? throw new ObjectDamagedException(address.Pack.ToString(), "it holds a map that makes no sense");
    }

    /// <summary>Cuts ranges of the device into runs of records: ascending as the ranges are, without gaps.</summary>
    /// <param name="ranges">Ranges; what lies behind the end of the device is left out.</param>
    /// <param name="maxStoredLength">Stored bytes of a run, if one record does not have more.</param>
    /// <exception cref="ObjectDamagedException">Part of the map, or of what it leads to, is not there.</exception>
    public IEnumerable<RecordRun> Runs(IEnumerable<SectorRange> ranges, int maxStoredLength)
    {
        long current = -1;
        List<MapExtent> extents = [];
        foreach (SectorRange range in ranges)
        {
            long end = Math.Min(range.End, SizeSectors);
            for (long first = range.First; first < end;)
            {
                long region = first / RegionMap.Sectors;
                if (region != current) extents = Region(region);
                current = region;
                long pieceEnd = Math.Min((region + 1) * RegionMap.Sectors, end);
                foreach (RecordRun run in RecordRun.Of(extents, _reader, first, pieceEnd, maxStoredLength))
                    yield return run;
                first = pieceEnd;
            }
        }
    }

    private static long CountOf(long total, long each) => ((total - 1) / each) + 1;

    private static (PackReference Pack, int Record) WritePage(
        IEnumerable<KeyValuePair<long, RecordAddress>> addresses, long first, long count, PackWriter index)
    {
        RecordAddress[] page = new RecordAddress[count];
        foreach ((long number, RecordAddress address) in addresses) page[number - first] = address;
        return (index.AppendMap(0, MemoryMarshal.AsBytes(page.AsSpan()), out int record), record);
    }

    private void AddPage(RecordAddress address, long first, long count)
    {
        RecordAddress[] page = ReadPage(address, count);
        for (int i = 0; i < page.Length; i++)
        {
            if (!page[i].IsEmpty) _regions.Add(first + i, page[i]);
        }
    }

    private RecordAddress[] ReadPage(RecordAddress address, long count)
    {
        _records.Add(address);
        byte[] record = _reader.ReadRecord(address.Pack, (int)address.Record.Value);
        RecordAddress[] page = MemoryMarshal.Cast<byte, RecordAddress>(record).ToArray();
        return page.Length == count && MemoryMarshal.AsBytes(page.AsSpan()).Length == record.Length
            ? page
            : throw new ObjectDamagedException(address.Pack.ToString(), "it holds the map of another device");
    }
}
