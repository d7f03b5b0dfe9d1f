using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;

namespace DmEra.PersistentData.Reading;

/// <summary>Reads the blocks of a committed space map, but for the tree of large counts, which is a tree like any other.</summary>
public static class SpaceMapReader
{
    /// <summary>Reads what the index says of each bitmap that it must have.</summary>
    /// <exception cref="MetadataCorruptException">The index is damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public static IndexEntry[] ReadIndex(MetadataReader reader, SpaceMapRoot root)
    {
        ReadOnlySpan<byte> block = reader.Read(root.BitmapRoot, IndexBlockValidator.Instance);
        ReadOnlySpan<IndexEntry> entries = MemoryMarshal.AsRef<IndexBlock>(block).Entries;
        return entries[..MetadataSpaceMap.BitmapsFor(Math.Min(root.NrBlocks, BitmapHeader.MaxMetadataBlocks))].ToArray();
    }

    /// <summary>Reads the counts of a bitmap, 3 standing for "3 or more".</summary>
    /// <param name="reader">Reads the metadata.</param>
    /// <param name="address">Where the bitmap is.</param>
    /// <param name="counts">Receives <see cref="MetadataSpaceMap.BlocksPerBitmap"/> counts.</param>
    /// <exception cref="MetadataCorruptException">The bitmap is damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public static void ReadBitmap(MetadataReader reader, ulong address, Span<byte> counts) =>
        CountBitmap.Unpack(reader.Read(address, BitmapValidator.Instance), counts);
}
