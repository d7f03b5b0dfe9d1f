using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.SpaceMaps;

namespace DmEra.PersistentData.Building;

/// <summary>Writes the space map of metadata whose blocks in use lie in a row from the superblock on.</summary>
public static class SpaceMapBuilder
{
    /// <summary>Writes the space map behind everything else; it counts its own blocks as well.</summary>
    public static SpaceMapRoot Build(BlockWriter writer)
    {
        KeyValuePair<ulong, uint>[] large = [.. writer.Shared.Where(static block => block.Value >= CountBitmap.Many)];
        ulong refCountRoot = TreeBuilder.Build(writer, (ulong)large.Length, i => (large[i].Key, (Le32)large[i].Value));
        ulong index = writer.Reserve(1);
        ulong first = writer.Used;
        // To reserve can mean to extend the file, and that to need a bitmap more.
        for (ulong missing; (missing = (ulong)MetadataSpaceMap.BitmapsFor(writer.BlockCount) - (writer.Used - first)) != 0;)
            writer.Reserve(missing);
        WriteBitmaps(writer, index, first);
        return new SpaceMapRoot
        {
            NrBlocks = writer.BlockCount,
            NrAllocated = writer.Used,
            BitmapRoot = index,
            RefCountRoot = refCountRoot,
        };
    }

    private static void WriteBitmaps(BlockWriter writer, ulong index, ulong first)
    {
        Span<byte> indexBlock = new byte[Blocks.BlockManager.BlockSize];
        Span<IndexEntry> entries = MemoryMarshal.AsRef<IndexBlock>(indexBlock).Entries;
        for (ulong i = 0; first + i < writer.Used; i++)
        {
            CountBitmap bitmap = Count(writer, i);
            entries[(int)i] = new IndexEntry
            {
                BlockNumber = first + i,
                NrFree = (uint)(BitmapHeader.EntriesPerBlock - bitmap.Used),
                NoneFreeBefore = (uint)bitmap.Used,
            };
            Span<byte> block = writer.Blank();
            bitmap.WriteTo(block);
            writer.Write(first + i, block, BitmapValidator.Instance);
        }

        writer.Write(index, indexBlock, IndexBlockValidator.Instance);
    }

    private static CountBitmap Count(BlockWriter writer, ulong index)
    {
        ulong first = index * BitmapHeader.EntriesPerBlock;
        CountBitmap bitmap = new(MetadataSpaceMap.EntriesIn((int)index, writer.BlockCount));
        for (int i = 0; i < bitmap.EntryCount && first + (ulong)i < writer.Used; i++)
            bitmap[i] = Math.Min(writer.Shared.GetValueOrDefault(first + (ulong)i, 1u), CountBitmap.Many);
        return bitmap;
    }
}
