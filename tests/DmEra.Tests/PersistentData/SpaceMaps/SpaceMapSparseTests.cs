using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>Space maps on sparse files: what is handed out has its space on the disk before.</summary>
public sealed class SpaceMapSparseTests : IDisposable
{
    private const ulong Total = 40_000;
    private const ulong Step = 256;

    private readonly RecordingDevice _content = new(Total) { Capacity = 2 * Total };
    private readonly SparseDevice _device;
    private MetadataStore _store;

    public SpaceMapSparseTests()
    {
        _device = new SparseDevice(_content);
        _store = MetadataStore.Create(new BlockManager(_device), TestSuperblock.Format);
        Commit();
    }

    public static TheoryData<int> AllSeeds => Seeds.For(4);

    private MetadataSpaceMap Map => _store.SpaceMap;

    public void Dispose() => _device.Dispose();

    [Fact]
    public void New_metadata_counts_all_of_the_file_and_takes_one_step_of_it()
    {
        Assert.Equal(Total, Map.BlockCount);
        Assert.Equal(Step, _device.Backed);
        Assert.InRange(Map.FreeBlocks, 1ul, Step);
    }

    [Fact]
    public void Space_is_taken_in_steps_as_blocks_are()
    {
        for (int i = 0; i < 1000; i++)
        {
            Map.Allocate();
            Assert.InRange(_device.Backed, Map.UsedBlocks, Map.UsedBlocks + (2 * Step));
        }
    }

    [Fact]
    public void As_much_as_is_to_be_free_has_its_space()
    {
        Map.EnsureFree(20_000);
        Assert.InRange(_device.Backed, 20_000ul + Map.UsedBlocks, 21_000ul);
    }

    [Theory, MemberData(nameof(AllSeeds))]
    public void Nothing_is_written_without_its_space_and_what_was_freed_is_used_first(int seed)
    {
        Random random = new(seed);
        List<ulong> mine = [];
        ulong most = 0;
        for (int i = 0; i < 3000; i++)
        {
            switch (random.Next(20))
            {
                case 0:
                    Commit();
                    break;
                case 1 when random.Next(10) == 0:
                    Reopen();
                    mine.RemoveAll(block => Map.Count(block) == 0);
                    break;
                case < 8 when mine.Count > 0:
                    int index = random.Next(mine.Count);
                    Map.Dec(mine[index]);
                    mine.RemoveAt(index);
                    Commit();
                    break;
                default:
                    mine.Add(WriteNew());
                    break;
            }

            most = Math.Max(most, Map.UsedBlocks);
        }

        Assert.Empty(_device.Surprises);
        Assert.InRange(_device.Backed, most, (2 * most) + (2 * Step));
    }

    [Fact]
    public void File_system_without_space_makes_the_metadata_full_and_more_space_mends_it()
    {
        _device.Space = 100;
        List<ulong> all = AllocateAll();
        MetadataFullException full = Assert.Throws<MetadataFullException>(() => Map.Allocate());
        Assert.Equal("the metadata device of 40000 blocks is full, and its file system has no space for more", full.Message);
        Assert.Equal(Errno.ENOSPC, Assert.IsType<DeviceException>(full.InnerException).Errno);
        Assert.Equal(0ul, _device.Space);       // to the last block

        Commit();
        foreach (ulong block in all) Map.Dec(block);
        Commit();
        Assert.True(Map.FreeBlocks >= (ulong)all.Count);
        all = AllocateAll();
        _device.Space = 1000;
        Assert.DoesNotContain(Map.Allocate(), all);
        Commit();
        Assert.Empty(_device.Surprises);
    }

    [Theory, InlineData(Errno.ENOSPC, true), InlineData(Errno.EDQUOT, false)]
    public void Refused_step_is_tried_again_with_no_more_than_is_needed(int errno, bool takesAll)
    {
        _device.FailWith = errno;
        _device.TakesAllWhenRefused = takesAll;
        AllocateFreeOnes();
        ulong backed = _device.Backed;
        _device.Space = Step - 1;
        Map.EnsureFree(10);
        if (!takesAll) Assert.Equal(backed + 10, _device.Backed);
        Commit();
        Assert.Empty(_device.Surprises);
    }

    [Fact]
    public void File_system_that_fails_is_not_full()
    {
        _device.FailWith = Errno.EIO;
        _device.Space = 0;
        AllocateFreeOnes();
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => Map.Allocate()).Errno);
    }

    [Fact]
    public void Free_blocks_that_a_copy_has_left_out_get_their_space_when_it_is_opened()
    {
        List<ulong> all = AllocateAll(1000);
        Commit();
        foreach (ulong block in all) Map.Dec(block);
        Commit();
        _device.KeepOnly(new DecodedSpaceMap(_content).UsedBlocks);
        Assert.InRange(_device.Backed, 1ul, 20ul);

        Reopen();
        AllocateAll(500);
        Commit();
        Assert.Empty(_device.Surprises);
        Assert.InRange(_device.Backed, 500ul, 1000ul);
    }

    [Fact]
    public void Copy_that_ends_with_the_last_block_in_use_is_made_as_long_as_it_was()
    {
        List<ulong> all = AllocateAll(1000);
        Commit();
        _content.BlockCount = 1 + new DecodedSpaceMap(_content).UsedBlocks.Max();
        Reopen();
        Assert.Equal(Total, _content.BlockCount);
        Assert.DoesNotContain(Map.Allocate(), all);
        Commit();

        _content.BlockCount = new DecodedSpaceMap(_content).UsedBlocks.Max();
        Assert.Throws<MetadataCorruptException>(Reopen);
    }

    [Fact]
    public void Largest_map_takes_half_a_byte_of_memory_a_block_and_little_space_when_nearly_empty()
    {
        using SparseDevice device = new(new RecordingDevice(BitmapHeader.MaxMetadataBlocks));
        MetadataStore.Create(new BlockManager(device), TestSuperblock.Format).Commit(TestSuperblock.Numbered(1));
        Assert.InRange(device.Backed, 2 * 255ul, 4 * Step);     // the bitmaps, and room for as many to be written
        BlockManager blocks = new(device);

        long before = GC.GetAllocatedBytesForCurrentThread();
        MetadataStore store = MetadataStore.Open(blocks, TestSuperblock.Format);
        long taken = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(BitmapHeader.MaxMetadataBlocks, store.SpaceMap.BlockCount);
        Assert.InRange(taken, (long)BitmapHeader.MaxMetadataBlocks / 2, 3L << 20);
    }

    [Fact]
    public void Blocks_in_use_behind_the_frontier_are_read_and_freed_as_any()
    {
        // As the kernel leaves it, whose allocations go round.
        List<ulong> all = AllocateAll(30_000);
        Commit();
        foreach (ulong block in all.SkipLast(10)) Map.Dec(block);
        Commit();
        _device.KeepOnly(new DecodedSpaceMap(_content).UsedBlocks);
        Reopen();

        AllocateAll(100);
        Assert.InRange(_device.Backed, 100ul, 1000ul);
        foreach (ulong block in all.TakeLast(10)) Map.Dec(block);
        Commit();
        Assert.InRange(Map.FreeBlocks, 0ul, 2 * Step);
        Assert.Empty(_device.Surprises);
    }

    [Fact]
    public void Step_that_the_transaction_was_given_up_with_stays_taken()
    {
        Map.EnsureFree(600);
        ulong backed = _device.Backed, free = Map.FreeBlocks;
        _store.Reload();
        Assert.Equal(free, Map.FreeBlocks);
        Assert.Equal(backed, _device.Backed);
    }

    [Fact]
    public void File_whose_space_is_all_taken_grows_and_takes_of_the_new_part_what_it_needs()
    {
        Map.EnsureFree(Total);
        Assert.Equal(Total + (Total / 4), Map.BlockCount);
        Assert.InRange(_device.Backed, Total, Total + Step);
        Commit();
        _store.Reload();
        Assert.Equal(Total + (Total / 4), Map.BlockCount);
        Assert.Empty(_device.Surprises);
    }

    private void Commit() => _store.Commit(TestSuperblock.Numbered(1));

    private void Reopen() => _store = MetadataStore.Open(new BlockManager(_device), TestSuperblock.Format);

    private void AllocateFreeOnes()
    {
        while (Map.FreeBlocks > 0) Map.Allocate();
    }

    private List<ulong> AllocateAll(int most = int.MaxValue)
    {
        List<ulong> all = [];
        try
        {
            while (all.Count < most) all.Add(WriteNew());
        }
        catch (MetadataFullException)
        {
            // That is all.
        }

        return all;
    }

    private ulong WriteNew()
    {
        using WriteBlock block = _store.Transactions.NewBlock(TestSuperblock.Format.Validator);
        block.Data.Fill(1);
        return block.Address;
    }
}
