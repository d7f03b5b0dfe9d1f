using System.Buffers.Binary;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

public sealed class MetadataSpaceMapTests : IDisposable
{
    private const ulong LimitOfTheFormat = 4_161_600;

    private readonly RecordingDevice _device = new(64);
    private MetadataStore _store;

    public MetadataSpaceMapTests() => _store = Create();

    private MetadataSpaceMap Map => _store.SpaceMap;

    public void Dispose() => _device.Dispose();

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
    public void Every_block_is_handed_out_once_before_the_device_is_full()
    {
        List<ulong> all = AllocateAll();
        Assert.Equal(all.Count, all.Distinct().Count());
        Assert.Equal(0ul, Map.FreeBlocks);
        Assert.InRange(all.Count, 54, 60);
    }

    [Fact]
    public void Full_device_can_commit_and_free_and_be_filled_again()
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
        SpaceMapPatch.Overflow(_device, node => node[2720..2724].Fill(0xFF));
        Reopen();

        Assert.Equal(uint.MaxValue, Map.Count(block));
        Assert.Equal(block, Assert.Throws<MetadataCorruptException>(() => Map.Inc(block)).Block);
        Assert.Equal(uint.MaxValue, Map.Count(block));
    }

    [Fact]
    public void Many_shared_blocks_make_an_overflow_tree_of_several_levels()
    {
        _device.BlockCount = 5000;
        _store = Create();
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
    public void Full_file_is_extended_by_a_megabyte_or_a_quarter()
    {
        _device.Capacity = 100_000;
        foreach (ulong expected in new ulong[] { 64 + 256, 64 + 512, 64 + 768, 64 + 1024, 64 + 1024 + 272 })
        {
            while (Map.BlockCount < expected) Map.Allocate();
            Commit();
            Assert.Equal(expected, Map.BlockCount);
            Assert.Equal(expected, _device.BlockCount);
        }
    }

    [Fact]
    public void Bitmap_that_changes_because_another_one_is_moved_is_moved_too()
    {
        _device.BlockCount = 16320 + 200;
        _store = Create();
        MoveCursorTo(16400);
        ulong block = Map.Allocate();
        Commit();

        // Only the second bitmap changes, but its new place, behind the end of the device, is in the first one's part.
        MoveCursorTo(16519);
        Map.Inc(block);
        Commit();
        Assert.InRange(new DecodedSpaceMap(_device).Index[1].Address, 1ul, 100ul);
        Assert.Equal(2u, Map.Count(block));

        void MoveCursorTo(ulong next)
        {
            while (Map.Allocate() != next - 1)
            {
            }

            _store.Reload();
        }
    }

    [Fact]
    public void Growth_over_several_bitmaps_is_committed()
    {
        _device.Capacity = 60_000;
        Map.EnsureFree(40_000);
        ulong[] some = [.. Enumerable.Range(0, 35_000).Select(_ => Map.Allocate())];
        Commit();
        Reopen();

        Assert.True(Map.BlockCount > 40_000);
        Assert.Equal((Map.BlockCount + 16319) / 16320, (ulong)new DecodedSpaceMap(_device).Index.Count);
        Assert.All(some, block => Assert.Equal(1u, Map.Count(block)));
    }

    [Fact]
    public void Growth_is_given_up_with_the_transaction_but_the_file_stays_longer()
    {
        _device.Capacity = 1000;
        Map.EnsureFree(100);
        _store.Reload();
        Assert.Equal(64ul, Map.BlockCount);
        Map.EnsureFree(100);
        Assert.Equal(320ul, Map.BlockCount);
        Assert.Equal([320], _device.Extensions);
    }

    [Fact]
    public void Block_device_that_became_longer_is_used_up_to_its_end()
    {
        _device.BlockCount = 20_000;
        Reopen();
        Assert.Equal(64ul, Map.BlockCount);
        Assert.Equal(19_000, Enumerable.Range(0, 19_000).Select(_ => Map.Allocate()).Distinct().Count());
        Commit();
        Assert.Equal(20_000ul, new DecodedSpaceMap(_device).NrBlocks);
    }

    [Fact]
    public void Device_that_becomes_longer_while_in_use_is_used_when_it_is_full()
    {
        AllocateAll();
        _device.LengthWhenLookedAtAgain = 100;
        Map.Allocate();
        Assert.Equal(100ul, Map.BlockCount);
        Commit();
    }

    [Fact]
    public void Full_device_of_fixed_size_says_so()
    {
        MetadataFullException fault = Assert.Throws<MetadataFullException>(() => Map.EnsureFree(64));
        Assert.Equal("the metadata device of 64 blocks is full, and the device has a fixed size", fault.Message);
    }

    [Theory, InlineData(Errno.ENOSPC), InlineData(Errno.EDQUOT), InlineData(Errno.EFBIG)]
    public void Full_file_system_makes_the_metadata_full(int errno)
    {
        _device.CapacityErrno = errno;
        MetadataFullException fault = Assert.Throws<MetadataFullException>(() => Map.EnsureFree(64));
        Assert.Equal(errno, Assert.IsType<DeviceException>(fault.InnerException).Errno);
    }

    [Fact]
    public void Device_that_fails_while_it_grows_is_not_full()
    {
        _device.CapacityErrno = Errno.EIO;
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => Map.EnsureFree(64)).Errno);
    }

    [Fact]
    public void Ensured_blocks_can_be_allocated_and_committed()
    {
        ulong free = Map.FreeBlocks;
        Map.EnsureFree(free);
        for (ulong i = 0; i < free; i++) Map.Allocate();
        Assert.Throws<MetadataFullException>(() => Map.EnsureFree(1));
        Commit();
    }

    [Fact]
    public void Map_never_grows_beyond_the_limit_of_the_format()
    {
        _device.BlockCount = LimitOfTheFormat + 1000;
        _device.Capacity = 2 * LimitOfTheFormat;
        _store = Create();
        Assert.Equal(LimitOfTheFormat, Map.BlockCount);
        Assert.Equal(255, new DecodedSpaceMap(_device).Index.Count);

        MetadataFullException fault = Assert.Throws<MetadataFullException>(() => Map.EnsureFree(LimitOfTheFormat));
        Assert.EndsWith("and the format has no room for more", fault.Message, StringComparison.Ordinal);
        Assert.Empty(_device.Extensions);

        Reopen();
        Assert.Equal(LimitOfTheFormat, Map.BlockCount);
    }

    [Fact]
    public void Last_growth_goes_up_to_the_limit_of_the_format()
    {
        _device.BlockCount = LimitOfTheFormat - 10;
        _device.Capacity = 2 * LimitOfTheFormat;
        _store = Create();
        Map.EnsureFree(Map.FreeBlocks + 1);
        Assert.Equal(LimitOfTheFormat, Map.BlockCount);
        Assert.Equal(LimitOfTheFormat, _device.BlockCount);
    }

    [Fact]
    public void Empty_file_is_given_room_for_metadata()
    {
        _device.BlockCount = 0;
        _device.Capacity = 1000;
        _store = Create();
        Assert.Equal(256ul, Map.BlockCount);
    }

    [Theory, InlineData(0), InlineData(1), InlineData(4)]
    public void Device_too_small_for_a_space_map_is_full(ulong blockCount)
    {
        _device.BlockCount = blockCount;
        Assert.Throws<MetadataFullException>(Create);
    }

    [Fact]
    public void Free_entries_go_on_to_be_counted_up_to_the_end_of_the_bitmap()
    {
        Map.Allocate();
        Commit();
        Assert.Equal(16320u - 5, new DecodedSpaceMap(_device).Index[0].NrFree);
    }

    [Fact]
    public void Free_entries_go_on_to_be_counted_up_to_the_end_of_the_device()
    {
        SpaceMapPatch.Index(_device, index => BinaryPrimitives.WriteUInt32LittleEndian(index[24..], 64 - 4));
        _device.BlockCount = 100;
        Reopen();
        Map.Allocate();
        Commit();
        Assert.Equal(64u - 5, new DecodedSpaceMap(_device).Index[0].NrFree);

        Reopen();
        Map.EnsureFree(64);
        Commit();
        Assert.Equal(100u - 5, new DecodedSpaceMap(_device).Index[0].NrFree);
    }

    [Fact]
    public void Wrong_number_of_free_entries_is_read_and_put_right()
    {
        SpaceMapPatch.Index(_device, index => index[24] += 2);
        Reopen();
        Map.Allocate();
        _store.Commit(TestSuperblock.Numbered(2));
        Assert.Equal(16320u - 5, new DecodedSpaceMap(_device).Index[0].NrFree);
    }

    [Fact]
    public void Garbage_behind_the_index_entries_in_use_is_ignored()
    {
        SpaceMapPatch.Index(_device, index => index[32..].Fill(0xEE));
        Reopen();
        Assert.Equal(4ul, Map.UsedBlocks);
    }

    [Fact]
    public void Counts_that_were_only_read_are_not_written()
    {
        Reopen();
        _device.Operations.Clear();
        _store.Commit(TestSuperblock.Numbered(2));
        Assert.Equal([0], _device.Operations.SelectMany(operation => operation.Blocks));
    }

    [Fact]
    public void Search_goes_through_every_bitmap_and_begins_again_at_the_start()
    {
        _device.BlockCount = 20_000;
        _store = Create();
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
    public void Large_counts_of_every_bitmap_are_read()
    {
        _device.BlockCount = 20_000;
        _store = Create();
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
    public void Room_for_large_counts_is_kept_back_too()
    {
        _device.BlockCount = 2000;
        _store = Create();
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
        Commit();
        Assert.Equal(2u, NoneFreeBefore());

        uint NoneFreeBefore() => new DecodedSpaceMap(_device).Index[0].NoneFreeBefore;
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

    private List<ulong> AllocateAll()
    {
        List<ulong> all = [];
        while (Map.FreeBlocks > 0) all.Add(Map.Allocate());
        return all;
    }

    private MetadataStore Create()
    {
        MetadataStore store = MetadataStore.Create(new BlockManager(_device), TestSuperblock.Format);
        store.Commit(TestSuperblock.Numbered(1));
        return store;
    }

    /// <summary>Commits; the counts on disk are decoded, and no block of the state before may have been written.</summary>
    private void Commit()
    {
        IEnumerable<ulong> usedBefore = new DecodedSpaceMap(_device).UsedBlocks;
        _device.Operations.Clear();
        _store.Commit(TestSuperblock.Numbered(2));
        Assert.Equal([0], _device.Operations.SelectMany(operation => operation.Blocks).Intersect(usedBefore));
        _ = new DecodedSpaceMap(_device);
    }

    private void Reopen() => _store = MetadataStore.Open(new BlockManager(_device), TestSuperblock.Format);
}
