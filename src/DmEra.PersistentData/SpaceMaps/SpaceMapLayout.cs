using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.SpaceMaps;

/// <summary>Where the space map is, in the superblock (kernel: <c>struct disk_sm_root</c>): the first 32 bytes of a
/// field of 128, the rest of which is zero.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct SpaceMapRoot
{
#pragma warning disable CS1591 // The fields are the kernel's; docs/on-disk-format.md has the table.
    public Le64 NrBlocks;
    public Le64 NrAllocated;
    public Le64 BitmapRoot;
    public Le64 RefCountRoot;
#pragma warning restore CS1591
}

/// <summary>One bitmap block, as its index knows it (kernel: <c>struct disk_index_entry</c>).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct IndexEntry
{
    /// <summary>Where it is.</summary>
    public Le64 BlockNumber;

    /// <summary>Free entries. Counted against the full bitmap by the kernel, against the end of the device by
    /// others: so it is adjusted, never recomputed.</summary>
    public Le32 NrFree;

    /// <summary>No entry at a lower position is free. May be too low, never too high.</summary>
    public Le32 NoneFreeBefore;
}

/// <summary>The 255 index entries of an index block.</summary>
[InlineArray(Length)]
internal struct IndexEntries
{
    public const int Length = 255;

    private IndexEntry _first;
}

/// <summary>The index block (kernel: <c>struct disk_metadata_index</c>): exactly 4096 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct IndexBlock
{
    public Le32 Checksum;
    public Le32 Padding;
    public Le64 BlockNumber;
    public IndexEntries Entries;
}

/// <summary>First 16 bytes of a bitmap block (kernel: <c>struct disk_bitmap_header</c>); 16 320 two-bit counts follow.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct BitmapHeader
{
    /// <summary>Two-bit counts in a bitmap block.</summary>
    public const int EntriesPerBlock = (BlockManager.BlockSize - Size) * 4;

    private const int Size = 16;

    /// <summary>Metadata blocks that an index of 255 bitmaps can count: the format's limit, 16 256.25 MiB.</summary>
    public const ulong MaxMetadataBlocks = (ulong)EntriesPerBlock * IndexEntries.Length;

    public Le32 Checksum;
    public Le32 NotUsed;
    public Le64 BlockNumber;
}

/// <summary>What makes a block the index of the bitmaps (kernel: <c>index_validator</c>).</summary>
internal sealed class IndexBlockValidator : BlockValidator
{
    public static readonly IndexBlockValidator Instance = new();

    private IndexBlockValidator()
        : base("space map index", salt: 160478, addressOffset: 8)
    {
    }

    protected override void CheckContent(ulong address, ReadOnlySpan<byte> block)
    {
    }
}

/// <summary>What makes a block a bitmap of reference counts (kernel: <c>dm_sm_bitmap_validator</c>).</summary>
internal sealed class BitmapValidator : BlockValidator
{
    public static readonly BitmapValidator Instance = new();

    private BitmapValidator()
        : base("space map bitmap", salt: 240779, addressOffset: 8)
    {
    }

    protected override void CheckContent(ulong address, ReadOnlySpan<byte> block)
    {
    }
}
