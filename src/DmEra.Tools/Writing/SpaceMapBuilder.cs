using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.SpaceMaps;

namespace DmEra.Tools.Writing;

/// <summary>Writes the space map of metadata whose blocks in use lie in a row from the superblock on, each with one
/// pointer to it.</summary>
internal static class SpaceMapBuilder
{
    private const byte FourCountsOfOne = 0xAA;

    /// <summary>Writes the space map behind everything else; it counts its own blocks as well.</summary>
    public static SpaceMapRoot Build(BlockWriter writer)
    {
        ulong refCountRoot = BTreeBuilder.Build(writer, 0, static _ => default((ulong, Le32)));
        ulong index = writer.Reserve(1);
        ulong first = writer.Used;
        // To reserve can mean to extend the file, and that to need a bitmap more.
        for (ulong missing; (missing = BitmapsFor(writer.BlockCount) - (writer.Used - first)) != 0;)
            writer.Reserve(missing);
        ulong bitmaps = writer.Used - first;
        WriteIndex(writer, index, first, bitmaps);
        for (ulong i = 0; i < bitmaps; i++) WriteBitmap(writer, first + i, UsedIn(writer, i));
        return new SpaceMapRoot
        {
            NrBlocks = writer.BlockCount,
            NrAllocated = writer.Used,
            BitmapRoot = index,
            RefCountRoot = refCountRoot,
        };
    }

    private static ulong BitmapsFor(ulong blocks) =>
        (blocks + BitmapHeader.EntriesPerBlock - 1) / BitmapHeader.EntriesPerBlock;

    private static uint UsedIn(BlockWriter writer, ulong bitmap)
    {
        ulong before = bitmap * BitmapHeader.EntriesPerBlock;
        return writer.Used <= before ? 0 : (uint)Math.Min(writer.Used - before, BitmapHeader.EntriesPerBlock);
    }

    private static void WriteIndex(BlockWriter writer, ulong address, ulong firstBitmap, ulong bitmaps)
    {
        Span<byte> block = writer.Blank();
        Span<IndexEntry> entries = MemoryMarshal.AsRef<IndexBlock>(block).Entries;
        for (ulong i = 0; i < bitmaps; i++)
        {
            uint used = UsedIn(writer, i);
            entries[(int)i] = new IndexEntry
            {
                BlockNumber = firstBitmap + i,
                NrFree = BitmapHeader.EntriesPerBlock - used,
                NoneFreeBefore = used,
            };
        }

        writer.Write(address, block, IndexBlockValidator.Instance);
    }

    private static void WriteBitmap(BlockWriter writer, ulong address, uint used)
    {
        Span<byte> block = writer.Blank();
        Span<byte> counts = block[Unsafe.SizeOf<BitmapHeader>()..];
        counts[..(int)(used / 4)].Fill(FourCountsOfOne);
        if (used % 4 != 0) counts[(int)(used / 4)] = (byte)(FourCountsOfOne & ((1 << (int)(used % 4 * 2)) - 1));
        writer.Write(address, block, BitmapValidator.Instance);
    }
}
