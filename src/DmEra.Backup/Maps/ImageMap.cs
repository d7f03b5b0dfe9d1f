using System.Runtime.InteropServices;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Maps;

/// <summary>
/// The whole content of a device at one point in time: for each of its sectors, the pack that has it. Maps share the
/// regions in which they do not differ, so that one costs what changed. Immutable; any thread.
/// </summary>
internal sealed class ImageMap
{
    /// <summary>The largest device, so that a map is one record.</summary>
    public const long MaxSectors = (long)MaxRegions * RegionMap.Sectors;

    private const int MaxRegions = 1 << 18;     // 128 TiB: 2^31 blocks of 64 KiB

    private readonly RecordAddress[] _regions;
    private readonly PackReader _reader;

    private ImageMap(RecordAddress address, long sizeSectors, RecordAddress[] regions, PackReader reader)
    {
        Address = address;
        SizeSectors = sizeSectors;
        _regions = regions;
        _reader = reader;
    }

    /// <summary>Where the map is.</summary>
    public RecordAddress Address { get; }

    /// <summary>Length of the device in sectors.</summary>
    public long SizeSectors { get; }

    /// <summary>Where the map of each region is.</summary>
    public ReadOnlySpan<RecordAddress> Regions => _regions;

    /// <summary>Regions of a device of this length.</summary>
    public static int RegionCount(long sizeSectors) =>
        (int)((sizeSectors + RegionMap.Sectors - 1) / RegionMap.Sectors);

    /// <summary>A device full of zeroes.</summary>
    public static ImageMap Empty(long sizeSectors, PackReader reader) =>
        new(default, sizeSectors, new RecordAddress[RegionCount(sizeSectors)], reader);

    /// <summary>Reads the map at an address.</summary>
    /// <exception cref="ObjectDamagedException">It is not there as it was written.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public static ImageMap Load(RecordAddress address, long sizeSectors, PackReader reader)
    {
        if (address.IsEmpty) return Empty(sizeSectors, reader);
        byte[] record = reader.ReadRecord(address.Pack, (int)address.Record.Value);
        RecordAddress[] regions = MemoryMarshal.Cast<byte, RecordAddress>(record).ToArray();
        return MemoryMarshal.AsBytes(regions.AsSpan()).Length == record.Length && regions.Length == RegionCount(sizeSectors)
            ? new ImageMap(address, sizeSectors, regions, reader)
            : throw new ObjectDamagedException(address.Pack.ToString(), "it holds the map of another device");
    }

    /// <summary>The extents of a region.</summary>
    /// <exception cref="ObjectDamagedException">Its map is not there as it was written.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public List<MapExtent> Region(int index)
    {
        RecordAddress address = _regions[index];
        if (address.IsEmpty) return [];
        byte[] record = _reader.ReadRecord(address.Pack, (int)address.Record.Value);
        return RegionMap.Decode(record, (long)index * RegionMap.Sectors)
            ?? throw new ObjectDamagedException(address.Pack.ToString(), "it holds a map that makes no sense");
    }

    /// <summary>Cuts ranges of the device into runs of records: ascending as the ranges are, without gaps.</summary>
    /// <param name="ranges">Ranges; what lies behind the end of the device is left out.</param>
    /// <param name="maxStoredLength">Stored bytes of a run, if one record does not have more.</param>
    /// <exception cref="ObjectDamagedException">Part of the map, or of what it leads to, is not there.</exception>
    public IEnumerable<RecordRun> Runs(IEnumerable<SectorRange> ranges, int maxStoredLength)
    {
        int current = -1;
        List<MapExtent> extents = [];
        foreach (SectorRange range in ranges)
        {
            long end = Math.Min(range.End, SizeSectors);
            for (long first = range.First; first < end;)
            {
                int region = (int)(first / RegionMap.Sectors);
                if (region != current) extents = Region(region);
                current = region;
                long pieceEnd = Math.Min((region + 1L) * RegionMap.Sectors, end);
                foreach (RecordRun run in RecordRun.Of(extents, _reader, first, pieceEnd, maxStoredLength))
                    yield return run;
                first = pieceEnd;
            }
        }
    }
}
