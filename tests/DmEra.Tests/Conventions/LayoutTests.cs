using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Chronicles;
using DmEra.Target.Metadata;
using DmEra.Tools.Caches;

namespace DmEra.Tests.Conventions;

/// <summary>Size and field offsets of everything that lies on disk, and the checksums of a device that the user tools
/// made (docs/on-disk-format.md, worked example).</summary>
public sealed class LayoutTests
{
    [Fact]
    public void Superblock_is_the_kernels()
    {
        Superblock s = default;
        Assert.Equal(224, Unsafe.SizeOf<Superblock>());
        Assert.Equal(0, Offset(ref s, ref s.Checksum));
        Assert.Equal(4, Offset(ref s, ref s.Flags));
        Assert.Equal(8, Offset(ref s, ref s.BlockNumber));
        Assert.Equal(16, Offset(ref s, ref s.Uuid));
        Assert.Equal(32, Offset(ref s, ref s.Magic));
        Assert.Equal(40, Offset(ref s, ref s.Version));
        Assert.Equal(44, Offset(ref s, ref s.MetadataSpaceMapRoot));
        Assert.Equal(172, Offset(ref s, ref s.DataBlockSize));
        Assert.Equal(176, Offset(ref s, ref s.MetadataBlockSize));
        Assert.Equal(180, Offset(ref s, ref s.NrBlocks));
        Assert.Equal(184, Offset(ref s, ref s.CurrentEra));
        Assert.Equal(188, Offset(ref s, ref s.CurrentWriteset));
        Assert.Equal(200, Offset(ref s, ref s.WritesetTreeRoot));
        Assert.Equal(208, Offset(ref s, ref s.EraArrayRoot));
        Assert.Equal(216, Offset(ref s, ref s.MetadataSnap));
    }

    [Fact]
    public void Writeset_record_is_the_kernels()
    {
        WritesetRecord s = default;
        Assert.Equal(12, Unsafe.SizeOf<WritesetRecord>());
        Assert.Equal(0, Offset(ref s, ref s.NrBits));
        Assert.Equal(4, Offset(ref s, ref s.Root));
    }

    [Fact]
    public void Header_of_a_chronicle_is_as_documented()
    {
        ChronicleHeader h = default;
        Assert.Equal(64, Unsafe.SizeOf<ChronicleHeader>());
        Assert.Equal(0, Offset(ref h, ref h.Checksum));
        Assert.Equal(4, Offset(ref h, ref h.Version));
        Assert.Equal(8, Offset(ref h, ref h.Magic));
        Assert.Equal(16, Offset(ref h, ref h.Lineage));
        Assert.Equal(32, Offset(ref h, ref h.Reserved));
    }

    [Fact]
    public void Record_of_a_chronicle_is_as_documented()
    {
        ChronicleRecord r = default;
        Assert.Equal(64, Unsafe.SizeOf<ChronicleRecord>());
        Assert.Equal(0, Offset(ref r, ref r.Checksum));
        Assert.Equal(4, Offset(ref r, ref r.Event));
        Assert.Equal(8, Offset(ref r, ref r.Era));
        Assert.Equal(12, Offset(ref r, ref r.Gap));
        Assert.Equal(16, Offset(ref r, ref r.Mark));
        Assert.Equal(32, Offset(ref r, ref r.OriginInode));
        Assert.Equal(40, Offset(ref r, ref r.OriginLength));
        Assert.Equal(48, Offset(ref r, ref r.OriginModified));
        Assert.Equal(56, Offset(ref r, ref r.DeviceLength));
    }

    [Fact]
    public void Superblock_of_a_cache_is_the_kernels()
    {
        CacheSuperblock s = default;
        Assert.Equal(292, Unsafe.SizeOf<CacheSuperblock>());
        Assert.Equal(0, Offset(ref s, ref s.Checksum));
        Assert.Equal(4, Offset(ref s, ref s.Flags));
        Assert.Equal(8, Offset(ref s, ref s.BlockNumber));
        Assert.Equal(16, Offset(ref s, ref s.Uuid));
        Assert.Equal(32, Offset(ref s, ref s.Magic));
        Assert.Equal(40, Offset(ref s, ref s.Version));
        Assert.Equal(44, Offset(ref s, ref s.PolicyName));
        Assert.Equal(60, Offset(ref s, ref s.PolicyHintSize));
        Assert.Equal(64, Offset(ref s, ref s.MetadataSpaceMapRoot));
        Assert.Equal(192, Offset(ref s, ref s.MappingRoot));
        Assert.Equal(200, Offset(ref s, ref s.HintRoot));
        Assert.Equal(208, Offset(ref s, ref s.DiscardRoot));
        Assert.Equal(216, Offset(ref s, ref s.DiscardBlockSize));
        Assert.Equal(224, Offset(ref s, ref s.DiscardNrBlocks));
        Assert.Equal(232, Offset(ref s, ref s.DataBlockSize));
        Assert.Equal(236, Offset(ref s, ref s.MetadataBlockSize));
        Assert.Equal(240, Offset(ref s, ref s.CacheBlocks));
        Assert.Equal(244, Offset(ref s, ref s.CompatFlags));
        Assert.Equal(248, Offset(ref s, ref s.CompatRoFlags));
        Assert.Equal(252, Offset(ref s, ref s.IncompatFlags));
        Assert.Equal(256, Offset(ref s, ref s.Counters));
        Assert.Equal(272, Offset(ref s, ref s.PolicyVersion));
        Assert.Equal(284, Offset(ref s, ref s.DirtyRoot));
    }

    [Fact]
    public void Node_header_is_the_kernels()
    {
        NodeHeader s = default;
        Assert.Equal(32, Unsafe.SizeOf<NodeHeader>());
        Assert.Equal(0, Offset(ref s, ref s.Checksum));
        Assert.Equal(4, Offset(ref s, ref s.Flags));
        Assert.Equal(8, Offset(ref s, ref s.BlockNumber));
        Assert.Equal(16, Offset(ref s, ref s.NrEntries));
        Assert.Equal(20, Offset(ref s, ref s.MaxEntries));
        Assert.Equal(24, Offset(ref s, ref s.ValueSize));
        Assert.Equal(28, Offset(ref s, ref s.Padding));
    }

    [Fact]
    public void Array_block_header_is_the_kernels()
    {
        ArrayBlockHeader s = default;
        Assert.Equal(24, Unsafe.SizeOf<ArrayBlockHeader>());
        Assert.Equal(0, Offset(ref s, ref s.Checksum));
        Assert.Equal(4, Offset(ref s, ref s.MaxEntries));
        Assert.Equal(8, Offset(ref s, ref s.NrEntries));
        Assert.Equal(12, Offset(ref s, ref s.ValueSize));
        Assert.Equal(16, Offset(ref s, ref s.BlockNumber));
    }

    [Fact]
    public void Space_map_root_is_the_kernels()
    {
        SpaceMapRoot s = default;
        Assert.Equal(32, Unsafe.SizeOf<SpaceMapRoot>());
        Assert.Equal(0, Offset(ref s, ref s.NrBlocks));
        Assert.Equal(8, Offset(ref s, ref s.NrAllocated));
        Assert.Equal(16, Offset(ref s, ref s.BitmapRoot));
        Assert.Equal(24, Offset(ref s, ref s.RefCountRoot));
    }

    [Fact]
    public void Index_block_is_the_kernels()
    {
        IndexBlock s = default;
        Assert.Equal(4096, Unsafe.SizeOf<IndexBlock>());
        Assert.Equal(0, Offset(ref s, ref s.Checksum));
        Assert.Equal(4, Offset(ref s, ref s.Padding));
        Assert.Equal(8, Offset(ref s, ref s.BlockNumber));
        Assert.Equal(16, Offset(ref s, ref s.Entries));
        Assert.Equal(16 + (16 * 254), Offset(ref s, ref s.Entries[254]));

        IndexEntry e = default;
        Assert.Equal(16, Unsafe.SizeOf<IndexEntry>());
        Assert.Equal(0, Offset(ref e, ref e.BlockNumber));
        Assert.Equal(8, Offset(ref e, ref e.NrFree));
        Assert.Equal(12, Offset(ref e, ref e.NoneFreeBefore));
    }

    [Fact]
    public void Bitmap_header_is_the_kernels()
    {
        BitmapHeader s = default;
        Assert.Equal(16, Unsafe.SizeOf<BitmapHeader>());
        Assert.Equal(0, Offset(ref s, ref s.Checksum));
        Assert.Equal(4, Offset(ref s, ref s.NotUsed));
        Assert.Equal(8, Offset(ref s, ref s.BlockNumber));
        Assert.Equal(4096, Unsafe.SizeOf<BitmapHeader>() + (BitmapHeader.EntriesPerBlock / 4));
        Assert.Equal(4_161_600ul, BitmapHeader.MaxMetadataBlocks);
    }

    [Fact]
    public void Worked_example_superblock()
    {
        byte[] block = new byte[BlockManager.BlockSize];
        Put64(block, 32, 0x7EC1077B);           // magic
        Put32(block, 40, 1);                    // version
        Put64(block, 44, 64, 9, 1, 2);          // space map: blocks, in use, index, overflow tree
        Put32(block, 172, 16, 8, 100, 2, 0);    // block sizes, origin blocks, era, writeset's bits
        Put64(block, 192, 0, 4, 5, 0);          // writeset, writeset tree, era array, snapshot
        AssertSealed(0x1C314296, SuperblockValidator.Instance, 0, block);
    }

    [Fact]
    public void Worked_example_space_map()
    {
        byte[] index = new byte[BlockManager.BlockSize];
        Put64(index, 16, 3);                    // where the bitmap is
        Put32(index, 24, 55, 9);                // free, none free before
        AssertSealed(0x73375830, IndexBlockValidator.Instance, 1, index);

        AssertSealed(0xC360E452, BTreeNodeValidator.Instance, 2, Leaf(valueSize: 4, maxEntries: 336));

        byte[] bitmap = new byte[BlockManager.BlockSize];
        Put32(bitmap, 16, 0x02AAAA);            // nine blocks pointed at once
        AssertSealed(0xC6E33548, BitmapValidator.Instance, 3, bitmap);
    }

    [Fact]
    public void Worked_example_writeset()
    {
        byte[] tree = Leaf(valueSize: 12, maxEntries: 201, key: 2);
        Put32(tree, 1640, 100);                 // bits
        Put64(tree, 1644, 7);                   // bitset
        AssertSealed(0xF37C1C9B, BTreeNodeValidator.Instance, 4, tree);

        byte[] bitset = Leaf(valueSize: 8, maxEntries: 252, key: 0);
        Put64(bitset, 2048, 8);
        AssertSealed(0x13CE48A6, BTreeNodeValidator.Instance, 7, bitset);

        byte[] words = new byte[BlockManager.BlockSize];
        Put32(words, 4, 509, 2, 8);             // capacity, entries, bytes each
        Put64(words, 24, 8, 0x0000000800000001);
        AssertSealed(0xA3A1B399, ArrayBlockValidator.Instance, 8, words);
    }

    [Fact]
    public void Worked_example_era_array()
    {
        byte[] index = Leaf(valueSize: 8, maxEntries: 252, key: 0);
        Put64(index, 2048, 6);
        AssertSealed(0x88EC92B4, BTreeNodeValidator.Instance, 5, index);

        byte[] eras = new byte[BlockManager.BlockSize];
        Put32(eras, 4, 1018, 100, 4);           // capacity, entries, bytes each
        Put32(eras, 24 + (5 * 4), 1);
        AssertSealed(0x9D2B71F3, ArrayBlockValidator.Instance, 6, eras);
    }

    private static int Offset<TStruct, TField>(ref TStruct start, ref TField field) =>
        (int)Unsafe.ByteOffset(ref Unsafe.As<TStruct, byte>(ref start), ref Unsafe.As<TField, byte>(ref field));

    /// <summary>Seals a block, expects the checksum that the user tools gave it, and checks it.</summary>
    private static void AssertSealed(uint checksum, BlockValidator validator, ulong address, byte[] block)
    {
        validator.PrepareForWrite(address, block);
        Assert.Equal($"{checksum:X8}", $"{BinaryPrimitives.ReadUInt32LittleEndian(block):X8}");
        validator.Check(address, block);
    }

    private static byte[] Leaf(uint valueSize, uint maxEntries, params ReadOnlySpan<ulong> key)
    {
        byte[] block = new byte[BlockManager.BlockSize];
        Put32(block, 4, 2);
        Put32(block, 16, (uint)key.Length, maxEntries, valueSize);
        Put64(block, 32, key);
        return block;
    }

    private static void Put32(Span<byte> block, int offset, params ReadOnlySpan<uint> values)
    {
        foreach (uint value in values)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(block[offset..], value);
            offset += sizeof(uint);
        }
    }

    private static void Put64(Span<byte> block, int offset, params ReadOnlySpan<ulong> values)
    {
        foreach (ulong value in values)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(block[offset..], value);
            offset += sizeof(ulong);
        }
    }
}
