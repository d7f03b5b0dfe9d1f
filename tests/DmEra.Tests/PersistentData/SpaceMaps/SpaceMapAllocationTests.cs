using DmEra.PersistentData.Blocks;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>Which blocks are handed out, and when those that were freed are.</summary>
public sealed class SpaceMapAllocationTests : SpaceMapTest
{
    [Fact]
    public void Fresh_map_uses_superblock_index_bitmap_and_overflow_root()
    {
        Assert.Equal(64ul, Map.BlockCount);
        Assert.Equal(4ul, Map.UsedBlocks);
        Assert.Equal(1u, Map.Count(0));
    }

    [Fact]
    public void Freed_block_is_not_handed_out_before_the_commit()
    {
        ulong block = Map.Allocate();
        Commit();
        ulong free = Map.FreeBlocks;
        Map.Dec(block);
        Assert.Equal(free, Map.FreeBlocks);
        Assert.DoesNotContain(block, AllocateAll());
    }

    [Fact]
    public void Freed_block_is_handed_out_after_the_commit()
    {
        ulong block = Map.Allocate();
        Commit();
        ulong free = Map.FreeBlocks;
        Map.Dec(block);
        Commit();
        Assert.Equal(free + 1, Map.FreeBlocks);
    }

    [Fact]
    public void Block_that_lived_only_in_this_transaction_is_free_again_at_once()
    {
        ulong free = Map.FreeBlocks;
        Map.Dec(Map.Allocate());
        Assert.Equal(free, Map.FreeBlocks);
    }

    [Fact]
    public void Every_block_is_handed_out_once_before_theDevice_is_full()
    {
        List<ulong> all = AllocateAll();
        Assert.Equal(all.Count, all.Distinct().Count());
        Assert.Equal(0ul, Map.FreeBlocks);
        Assert.InRange(all.Count, 54, 60);
    }

    [Fact]
    public void FullDevice_can_commit_and_free_and_be_filled_again()
    {
        for (int i = 0; i < 20; i++)
        {
            List<ulong> all = AllocateAll();
            Commit();
            foreach (ulong block in all) Map.Dec(block);
            Commit();
        }

        Assert.Equal(4ul, Map.UsedBlocks);
    }

    [Fact]
    public void Allocation_goes_round()
    {
        ulong first = Map.Allocate();
        Map.Dec(first);
        Assert.Equal(first + 1, Map.Allocate());
    }

    [Fact]
    public void Counting_below_zero_is_corrupt_and_changes_nothing()
    {
        ulong block = Map.Allocate();
        Map.Dec(block);
        Assert.Equal(block, Assert.Throws<MetadataCorruptException>(() => Map.Dec(block)).Block);
        Assert.Equal(0u, Map.Count(block));
    }

    [Theory, InlineData(64), InlineData(ulong.MaxValue)]
    public void Block_past_the_end_is_corrupt(ulong block)
    {
        Assert.Equal(block, Assert.Throws<MetadataCorruptException>(() => Map.Count(block)).Block);
        Assert.Throws<MetadataCorruptException>(() => Map.Inc(block));
        Assert.Throws<MetadataCorruptException>(() => Map.Dec(block));
    }

    [Fact]
    public void Search_goes_through_every_bitmap_and_begins_again_at_the_start()
    {
        Device.BlockCount = 20_000;
        Store = Create();
        AllocateAll();
        foreach (ulong first in (ulong[])[100, 17_000, 200, 300, 18_000, 19_000])
        {
            for (ulong block = first; block < first + 10; block++) Map.Dec(block);
            Commit();
            ulong free = Map.FreeBlocks;
            Assert.True(free > 5);
            Assert.Equal(free, (ulong)AllocateAll().Count);
        }
    }

    [Fact]
    public void Room_for_large_counts_is_kept_back_too()
    {
        Device.BlockCount = 2000;
        Store = Create();
        for (int i = 0; i < 1000; i++)
        {
            ulong block = Map.Allocate();
            Map.Inc(block);
            Map.Inc(block);
        }

        AllocateAll();
        Commit();
    }

    [Fact]
    public void Counting_allocates_no_memory()
    {
        Assert.Equal(0, Allocation.Of(Churn));

        void Churn()
        {
            for (int i = 0; i < 1000; i++)
            {
                ulong block = Map.Allocate();
                for (int k = 0; k < 5; k++) Map.Inc(block);
                for (int k = 0; k < 6; k++) Map.Dec(block);
            }
        }
    }
}
