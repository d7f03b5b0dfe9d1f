using System.Buffers.Binary;
using DmEra.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>What is on disk: bitmaps, their index, and the tree of large counts.</summary>
public sealed class SpaceMapFormatTests : SpaceMapTest
{
    [Fact]
    public void Large_counts_survive_reopening()
    {
        ulong block = Map.Allocate();
        for (uint count = 2; count <= 1000; count++)
        {
            Map.Inc(block);
            Assert.Equal(count, Map.Count(block));
            if (count is not (2 or 3 or 4 or 1000)) continue;
            Commit();
            Reopen();
            Assert.Equal(count, Map.Count(block));
        }

        for (uint count = 999; count > 0; count--) Map.Dec(block);
        Commit();
        Reopen();
        Assert.Equal(1u, Map.Count(block));
        Assert.Equal(5ul, Map.UsedBlocks);
    }

    [Fact]
    public void Count_never_wraps()
    {
        ulong block = Map.Allocate();
        for (int i = 0; i < 3; i++) Map.Inc(block);
        Commit();
        SpaceMapPatch.Overflow(Device, node => node[2720..2724].Fill(0xFF));
        Reopen();

        Assert.Equal(uint.MaxValue, Map.Count(block));
        Assert.Equal(block, Assert.Throws<MetadataCorruptException>(() => Map.Inc(block)).Block);
        Assert.Equal(uint.MaxValue, Map.Count(block));
    }

    [Fact]
    public void Many_shared_blocks_make_an_overflow_tree_of_several_levels()
    {
        Device.BlockCount = 5000;
        Store = Create();
        List<ulong> all = AllocateAll();
        foreach (ulong block in all)
        {
            for (ulong i = 0; i < 3 + (block % 5); i++) Map.Inc(block);
        }

        // Their nodes need more than is kept back: so many counts were not there when the device was filled.
        foreach (ulong block in all[^100..])
        {
            while (Map.Count(block) > 0) Map.Dec(block);
        }

        Commit();
        Reopen();
        foreach (ulong block in all[..^100])
        {
            Assert.Equal(4 + (block % 5), Map.Count(block));
            while (Map.Count(block) > 0) Map.Dec(block);
        }

        Commit();
        Assert.Equal(4ul, Map.UsedBlocks);
    }

    [Fact]
    public void Bitmap_that_changes_because_another_one_is_moved_is_moved_too()
    {
        Device.BlockCount = 16320 + 200;
        Store = Create();
        ulong block;
        do block = Map.Allocate();
        while (block < 16400);
        for (ulong freed = 10; freed < 20; freed++) Map.Dec(freed);
        Commit();

        // Only the second bitmap changes, but its new place is in the first one's part.
        Map.Inc(block);
        Commit();
        Assert.InRange(new DecodedSpaceMap(Device).Index[1].Address, 1ul, 19ul);
        Assert.Equal(2u, Map.Count(block));
    }

    [Fact]
    public void Free_entries_go_on_to_be_counted_up_to_the_end_of_the_bitmap()
    {
        Map.Allocate();
        Commit();
        Assert.Equal(16320u - 5, new DecodedSpaceMap(Device).Index[0].NrFree);
    }

    [Fact]
    public void Free_entries_go_on_to_be_counted_up_to_the_end_of_theDevice()
    {
        SpaceMapPatch.Index(Device, index => BinaryPrimitives.WriteUInt32LittleEndian(index[24..], 64 - 4));
        Device.BlockCount = 100;
        Reopen();
        Map.Allocate();
        Commit();
        Assert.Equal(64u - 5, new DecodedSpaceMap(Device).Index[0].NrFree);

        Reopen();
        Map.EnsureFree(64);
        Commit();
        Assert.Equal(100u - 5, new DecodedSpaceMap(Device).Index[0].NrFree);
    }

    [Fact]
    public void Wrong_number_of_free_entries_is_read_and_put_right()
    {
        SpaceMapPatch.Index(Device, index => index[24] += 2);
        Reopen();
        Map.Allocate();
        Store.Commit(TestSuperblock.Numbered(2));
        Assert.Equal(16320u - 5, new DecodedSpaceMap(Device).Index[0].NrFree);
    }

    [Fact]
    public void Garbage_behind_the_index_entries_in_use_is_ignored()
    {
        SpaceMapPatch.Index(Device, index => index[32..].Fill(0xEE));
        Reopen();
        Assert.Equal(4ul, Map.UsedBlocks);
    }

    [Fact]
    public void Counts_that_were_only_read_are_not_written()
    {
        Reopen();
        Device.Operations.Clear();
        Store.Commit(TestSuperblock.Numbered(2));
        Assert.Equal([0], Device.Operations.SelectMany(operation => operation.Blocks));
    }

    [Fact]
    public void Large_counts_of_every_bitmap_are_read()
    {
        Device.BlockCount = 20_000;
        Store = Create();
        AllocateAll();
        foreach (ulong block in (ulong[])[100, 17_000])
        {
            Map.Inc(block);
            Map.Inc(block);
        }

        Commit();
        Reopen();
        Assert.Equal((3u, 3u), (Map.Count(100), Map.Count(17_000)));
    }

    [Fact]
    public void Hint_is_raised_by_an_allocation_at_it_and_lowered_by_a_free_below_it()
    {
        // In use: 0, 1 (overflow root), 2 (index), 3 (bitmap).
        Assert.Equal(4u, NoneFreeBefore());
        ulong block = Map.Allocate();
        Assert.Equal(4ul, block);
        Map.Allocate();
        Commit();                   // moves index and bitmap away from 2 and 3 to 6 and 7
        Assert.Equal(2u, NoneFreeBefore());
        Map.Dec(block);
        Commit();                   // and back
        Assert.Equal(4u, NoneFreeBefore());

        uint NoneFreeBefore() => new DecodedSpaceMap(Device).Index[0].NoneFreeBefore;
    }
}
