using System.Buffers.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>What is wrong with metadata is found when it is opened, and the block named; it is never believed.</summary>
public sealed class DamagedSpaceMapTests : IDisposable
{
    private const int NrBlocks = TestSuperblock.SpaceMapRootOffset;
    private const int NrAllocated = NrBlocks + 8;
    private const int BitmapRoot = NrBlocks + 16;
    private const int RefCountRoot = NrBlocks + 24;
    private const int Counts = 16;              // in a bitmap
    private const int Values = 32 + (8 * 336);  // in the overflow tree

    private readonly RecordingDevice _device = new(100);
    private readonly DecodedSpaceMap _map;
    private readonly ulong _shared;

    public DamagedSpaceMapTests()
    {
        MetadataStore store = MetadataStore.Create(new BlockManager(_device), TestSuperblock.Format);
        _shared = store.SpaceMap.Allocate();
        for (int i = 0; i < 5; i++) store.SpaceMap.Inc(_shared);
        store.SpaceMap.Inc(store.SpaceMap.Allocate());
        store.Commit(TestSuperblock.Numbered(1));
        _map = new DecodedSpaceMap(_device);
    }

    public static TheoryData<int> ManySeeds => Seeds.For(300);

    private ulong Bitmap => _map.Index[0].Address;

    public void Dispose() => _device.Dispose();

    [Theory, InlineData(0), InlineData(101), InlineData(4_161_601), InlineData(ulong.MaxValue)]
    public void Number_of_blocks_that_the_device_cannot_have(ulong nrBlocks)
    {
        SpaceMapPatch.Superblock(_device, block => Put(block, NrBlocks, nrBlocks));
        AssertCorrupt(0, $"space map counts {nrBlocks} blocks, but the device has 100");
    }

    [Fact]
    public void Number_of_blocks_beyond_the_format_on_a_device_that_has_them()
    {
        _device.BlockCount = 5_000_000;
        SpaceMapPatch.Superblock(_device, block => Put(block, NrBlocks, 4_161_601));
        AssertCorrupt(0, "space map counts 4161601 blocks, but the device has 5000000");
    }

    [Fact]
    public void Number_of_used_blocks_against_the_bitmaps()
    {
        SpaceMapPatch.Superblock(_device, block => block[NrAllocated]--);
        AssertCorrupt(_map.IndexAddress, "space map has 6 blocks in use, but its root says 5");
    }

    [Theory, InlineData(BitmapRoot), InlineData(RefCountRoot)]
    public void Roots_past_the_end(int field)
    {
        SpaceMapPatch.Superblock(_device, block => Put(block, field, 1_000_000_000));
        AssertCorrupt(1_000_000_000, "lies past the end of the device, which has 100 blocks");
    }

    [Fact]
    public void Overflow_root_that_is_the_index()
    {
        SpaceMapPatch.Superblock(_device, block => Put(block, RefCountRoot, _map.IndexAddress));
        AssertCorrupt(_map.IndexAddress, "space map index where a btree node should be");
    }

    [Fact]
    public void Bitmap_with_a_flipped_bit()
    {
        _device[Bitmap][1000] ^= 4;
        AssertCorrupt(Bitmap, "bad checksum in space map bitmap");
    }

    [Fact]
    public void Misplaced_bitmap()
    {
        SpaceMapPatch.Apply(_device, Bitmap, 240779, block => Put(block, 8, 77));
        AssertCorrupt(Bitmap, "space map bitmap has block number 77");
    }

    [Fact]
    public void Counts_past_the_end_of_the_device()
    {
        SpaceMapPatch.Bitmap(_device, block => block[Counts + (100 / 4)] |= 2);
        AssertCorrupt(Bitmap, "space map bitmap counts blocks past the end of the device");
    }

    [Theory, InlineData("superblock"), InlineData("index"), InlineData("overflow root"), InlineData("bitmap")]
    public void Own_block_that_is_counted_as_free(string which)
    {
        ulong own = which switch
        {
            "index" => _map.IndexAddress,
            "overflow root" => _map.OverflowRoot,
            "bitmap" => Bitmap,
            _ => 0,
        };

        // The block is moved, in the bitmap, to a position that nothing uses.
        SpaceMapPatch.Bitmap(_device, block =>
        {
            block[Counts + (int)(own / 4)] &= (byte)~(3 << (int)(own % 4 * 2));
            block[Counts + (99 / 4)] |= 2 << (99 % 4 * 2);
        });
        AssertCorrupt(own, "has reference count 0, but is pointed at once");
    }

    [Fact]
    public void Large_count_that_the_bitmap_does_not_know_of()
    {
        SpaceMapPatch.Overflow(_device, block => Put(block, 32, 99));
        AssertCorrupt(_map.OverflowRoot, "space map counts 6 for block 99, against its bitmap");
    }

    [Fact]
    public void Large_count_of_a_block_past_the_end()
    {
        SpaceMapPatch.Overflow(_device, block => Put(block, 32, 1UL << 60));
        AssertCorrupt(_map.OverflowRoot, $"space map counts 6 for block {1UL << 60}, against its bitmap");
    }

    [Fact]
    public void Large_count_that_is_small()
    {
        SpaceMapPatch.Overflow(_device, block => block[Values] = 2);
        AssertCorrupt(_map.OverflowRoot, $"space map counts 2 for block {_shared}, against its bitmap");
    }

    [Fact]
    public void Large_count_that_is_missing()
    {
        SpaceMapPatch.Overflow(_device, block => block[16] = 0);
        AssertCorrupt(_map.OverflowRoot, "space map has 0 large reference counts, but 1 in its bitmaps");
    }

    [Theory, MemberData(nameof(ManySeeds))]
    public void Random_bytes_under_a_good_checksum_open_or_are_corrupt(int seed)
    {
        Random random = new(seed);
        switch (random.Next(4))
        {
            case 0: SpaceMapPatch.Superblock(_device, block => Scribble(block.Slice(NrBlocks, 32))); break;
            case 1: SpaceMapPatch.Index(_device, Scribble); break;
            case 2: SpaceMapPatch.Bitmap(_device, Scribble); break;
            default: SpaceMapPatch.Overflow(_device, Scribble); break;
        }

        try
        {
            MetadataStore store = Open();
            while (store.SpaceMap.FreeBlocks > 0) store.SpaceMap.Allocate();
            store.Commit(TestSuperblock.Numbered(2));
        }
        catch (MetadataCorruptException)
        {
        }

        void Scribble(Span<byte> block)
        {
            int end = random.Next(2) == 0 ? block.Length : Math.Min(block.Length, 256);
            for (int i = random.Next(1, 8); i > 0; i--) block[random.Next(end)] = (byte)random.Next(256);
        }
    }

    private void AssertCorrupt(ulong block, string cause)
    {
        MetadataCorruptException fault = Assert.Throws<MetadataCorruptException>(Open);
        Assert.Equal((block, cause), (fault.Block, fault.Cause));
    }

    private MetadataStore Open() => MetadataStore.Open(new BlockManager(_device), TestSuperblock.Format);

    private static void Put(Span<byte> block, int offset, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(block[offset..], value);
}
