using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Backup.Packs;

namespace DmEra.Backup.Maps;

/// <summary>A run of sectors of the device whose content is in one pack.</summary>
/// <param name="First">Its first sector.</param>
/// <param name="Count">Sectors, more than 0.</param>
/// <param name="Pack">Where the content is: the pack's directory says which record has which sector.</param>
internal readonly record struct MapExtent(long First, int Count, PackReference Pack)
{
    /// <summary>The sector behind the last one.</summary>
    public long End => First + Count;
}

/// <summary>
/// The map of one region of the device, 512 MiB: extents in ascending order that do not touch unless they lead to
/// different packs. This is how it is written and read.
/// </summary>
internal static class RegionMap
{
    /// <summary>Sectors of a region.</summary>
    public const int Sectors = 1 << 20;

    /// <summary>Writes the map of a region; all packs it leads to must be closed.</summary>
    public static byte[] Encode(IReadOnlyList<MapExtent> extents, long firstSector)
    {
        Dictionary<PackName, uint> packs = [];
        foreach (MapExtent extent in extents) packs.TryAdd(extent.Pack.Name, (uint)packs.Count);
        byte[] bytes = new byte[Length(packs.Count, extents.Count)];
        MemoryMarshal.Write(
            bytes, new RegionHeader { PackCount = (uint)packs.Count, ExtentCount = (uint)extents.Count });
        Span<byte> rest = bytes.AsSpan(Unsafe.SizeOf<RegionHeader>());
        Span<PackName> names = MemoryMarshal.Cast<byte, PackName>(rest)[..packs.Count];
        foreach ((PackName name, uint index) in packs) names[(int)index] = name;
        Span<ExtentRow> rows = MemoryMarshal.Cast<byte, ExtentRow>(rest[(packs.Count * Unsafe.SizeOf<PackName>())..]);
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = new ExtentRow
            {
                FirstSector = (uint)(extents[i].First - firstSector),
                SectorCount = (uint)extents[i].Count,
                Pack = packs[extents[i].Pack.Name],
            };
        }

        return bytes;
    }

    /// <summary>Reads the map of a region.</summary>
    /// <returns>null when it makes no sense.</returns>
    public static List<MapExtent>? Decode(ReadOnlySpan<byte> bytes, long firstSector)
    {
        if (bytes.Length < Unsafe.SizeOf<RegionHeader>()) return null;
        RegionHeader header = MemoryMarshal.Read<RegionHeader>(bytes);
        if (header.ExtentCount > Sectors || header.PackCount > Sectors
            || bytes.Length != Length((int)header.PackCount.Value, (int)header.ExtentCount.Value))
        {
            return null;
        }

        ReadOnlySpan<byte> rest = bytes[Unsafe.SizeOf<RegionHeader>()..];
        int packsLength = (int)header.PackCount.Value * Unsafe.SizeOf<PackName>();
        PackReference[] packs = new PackReference[header.PackCount];
        for (int i = 0; i < packs.Length; i++)
            packs[i] = new PackReference(MemoryMarshal.Cast<byte, PackName>(rest)[i]);

        List<MapExtent> extents = new((int)header.ExtentCount.Value);
        long end = 0;
        foreach (ref readonly ExtentRow row in MemoryMarshal.Cast<byte, ExtentRow>(rest[packsLength..]))
        {
            if (row.FirstSector < end || row.SectorCount == 0 || row.Pack >= (uint)packs.Length
                || (long)row.FirstSector.Value + row.SectorCount.Value > Sectors)
            {
                return null;
            }

            end = row.FirstSector.Value + row.SectorCount.Value;
            extents.Add(new MapExtent(
                firstSector + row.FirstSector.Value, (int)row.SectorCount.Value, packs[row.Pack]));
        }

        return extents;
    }

    /// <summary>Adds an extent behind the others, to the last one if it goes on there.</summary>
    public static void Append(List<MapExtent> extents, MapExtent extent)
    {
        if (extents.Count > 0 && extents[^1] is var last && last.End == extent.First && last.Pack.IsSameAs(extent.Pack))
            extents[^1] = last with { Count = last.Count + extent.Count };
        else
            extents.Add(extent);
    }

    /// <summary>The extent that has a sector; of a sector that reads as zeroes, the complement of the index of the next
    /// extent, or of their count.</summary>
    public static int IndexOf(List<MapExtent> extents, long sector)
    {
        int low = 0;
        int high = extents.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (extents[middle].End <= sector) low = middle + 1;
            else if (extents[middle].First > sector) high = middle - 1;
            else return middle;
        }

        return ~low;
    }

    private static int Length(int packs, int extents) =>
        Unsafe.SizeOf<RegionHeader>() + (packs * Unsafe.SizeOf<PackName>()) + (extents * Unsafe.SizeOf<ExtentRow>());
}
