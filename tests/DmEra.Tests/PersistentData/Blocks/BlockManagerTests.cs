using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.Blocks;

public sealed class BlockManagerTests : IDisposable
{
    private const int DeviceBlocks = 1000;

    private readonly RecordingDevice _device = new(DeviceBlocks);
    private readonly BlockManager _blocks;

    public BlockManagerTests() => _blocks = new BlockManager(_device, BlockManager.MinCacheBlocks);

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Block_written_and_flushed_is_read_back_by_another_manager()
    {
        Put(7, 42);
        _blocks.Flush();

        BlockManager other = new(_device);
        using ReadBlock block = other.Read(7, TestBlockValidator.Apple);

        Assert.Equal(7ul, block.Address);
        Assert.Equal(42, block.Data[TestBlockValidator.ContentOffset]);
    }

    [Fact]
    public void Zeroed_block_is_zero_whatever_was_there_and_is_not_read()
    {
        Put(7, 42);
        _blocks.Flush();
        _blocks.Forget();

        using WriteBlock block = _blocks.WriteZeroed(7, TestBlockValidator.Pear);

        Assert.False(block.Data.ContainsAnyExcept((byte)0));
        Assert.Equal(0, _device.Reads);
    }

    [Fact]
    public void Cached_block_is_read_once()
    {
        Put(7, 42);
        _blocks.Flush();
        _blocks.Forget();

        for (int i = 0; i < 3; i++) Assert.Equal(42, Get(7));

        Assert.Equal(1, _device.Reads);
    }

    [Fact]
    public void Change_is_seen_before_it_is_flushed_and_kept_when_it_is()
    {
        Put(7, 1);
        _blocks.Flush();
        Put(7, 2);
        Assert.Equal(2, Get(7));
        _blocks.Flush();
        _blocks.Forget();
        Assert.Equal(2, Get(7));
    }

    [Fact]
    public void Forget_drops_changes_that_were_not_flushed()
    {
        Put(7, 1);
        _blocks.Flush();
        Put(7, 2);
        _blocks.Forget();
        _blocks.Flush();

        Assert.Equal(1, Get(7));
        Assert.Equal(2, _device.Operations.Count(operation => operation.IsFlush));
        Assert.Single(_device.Operations, operation => !operation.IsFlush);
    }

    [Fact]
    public void Flushing_a_block_that_is_being_changed_is_refused()
    {
        using WriteBlock block = _blocks.WriteZeroed(7, TestBlockValidator.Apple);
        Assert.Throws<InvalidOperationException>(_blocks.Flush);
    }

    [Fact]
    public void Neighbours_go_out_in_one_write_in_the_order_of_their_addresses()
    {
        foreach (ulong address in new ulong[] { 12, 10, 30, 11, 5 }) Put(address, (byte)address);
        _blocks.Flush();

        Assert.Equal(
            [[5], [10, 11, 12], [30], []],
            _device.Operations.Select(operation => operation.Blocks.ToArray()));
    }

    [Fact]
    public void Block_changed_twice_goes_out_once()
    {
        Put(7, 1);
        Put(7, 2);
        _blocks.Flush();

        Assert.Equal([7], _device.Operations.SelectMany(operation => operation.Blocks));
    }

    [Fact]
    public void Flush_with_nothing_changed_writes_nothing_but_flushes()
    {
        Put(7, 1);
        _blocks.Flush();
        _device.Operations.Clear();

        _blocks.Flush();

        Assert.True(Assert.Single(_device.Operations).IsFlush);
    }

    [Fact]
    public void More_blocks_can_be_changed_than_the_cache_holds()
    {
        for (ulong i = 0; i < DeviceBlocks; i++) Put(i, (byte)(i % 100));
        for (ulong i = 0; i < DeviceBlocks; i++) Assert.Equal((byte)(i % 100), Get(i));
        _blocks.Flush();
        _blocks.Forget();
        for (ulong i = 0; i < DeviceBlocks; i++) Assert.Equal((byte)(i % 100), Get(i));
    }

    [Fact]
    public void Leased_block_is_neither_evicted_nor_written_half_changed()
    {
        using (WriteBlock block = _blocks.WriteZeroed(0, TestBlockValidator.Apple))
        {
            block.Data[TestBlockValidator.ContentOffset] = 1;
            for (ulong i = 1; i < 100; i++) Put(i, (byte)i);
            block.Data[TestBlockValidator.ContentOffset] = 2;
            Assert.DoesNotContain(_device.Operations, operation => operation.Blocks.Contains(0ul));
        }

        _blocks.Flush();
        _blocks.Forget();
        Assert.Equal(2, Get(0));
    }

    [Fact]
    public void Leasing_the_whole_cache_is_a_programming_error()
    {
        Assert.Throws<System.Diagnostics.UnreachableException>(() => LeaseOneMore(0));

        void LeaseOneMore(ulong address)
        {
            using WriteBlock block = _blocks.WriteZeroed(address, TestBlockValidator.Apple);
            LeaseOneMore(address + 1);
        }
    }

    [Fact]
    public void Block_that_is_often_used_stays_cached()
    {
        for (ulong i = 0; i < 500; i++) Put(i, 1);
        _blocks.Flush();
        _blocks.Forget();

        Get(0);
        for (ulong i = 1; i < 500; i++)
        {
            Get(i);
            int reads = _device.Reads;
            Get(0);
            Assert.Equal(reads, _device.Reads);
        }
    }

    [Fact]
    public void Block_of_another_type_is_corrupt()
    {
        Put(7, 1);
        MetadataCorruptException cached = Assert.Throws<MetadataCorruptException>(() => Get(7, TestBlockValidator.Pear));
        Assert.Equal(7ul, cached.Block);
        Assert.Equal("apple where a pear should be", cached.Cause);

        _blocks.Flush();
        _blocks.Forget();
        MetadataCorruptException read = Assert.Throws<MetadataCorruptException>(() => Get(7, TestBlockValidator.Pear));
        Assert.Equal("bad checksum in pear", read.Cause);
    }

    [Fact]
    public void Block_allocated_anew_may_change_its_type()
    {
        Put(7, 1);
        using (WriteBlock block = _blocks.WriteZeroed(7, TestBlockValidator.Pear)) block.Data[20] = 3;
        _blocks.Flush();
        _blocks.Forget();
        using ReadBlock again = _blocks.Read(7, TestBlockValidator.Pear);
        Assert.Equal(3, again.Data[20]);
    }

    [Fact]
    public void Damaged_block_is_not_cached()
    {
        Put(7, TestBlockValidator.Bad);
        _blocks.Flush();
        _blocks.Forget();

        for (int i = 1; i <= 2; i++)
        {
            Assert.Throws<MetadataCorruptException>(() => Get(7));
            Assert.Equal(i, _device.Reads);
        }
    }

    [Theory]
    [InlineData(DeviceBlocks)]
    [InlineData(ulong.MaxValue)]
    [InlineData(ulong.MaxValue / BlockManager.BlockSize)]
    public void Address_past_the_end_is_corrupt(ulong address)
    {
        Assert.Equal(address, Assert.Throws<MetadataCorruptException>(() => Get(address)).Block);
        Assert.Throws<MetadataCorruptException>(() => Put(address, 1));
        Assert.Throws<MetadataCorruptException>(() => { using var block = _blocks.Write(address, TestBlockValidator.Apple); });
    }

    [Fact]
    public void Failed_write_leaves_every_change_to_be_written_again()
    {
        foreach (ulong address in new ulong[] { 3, 10, 20 }) Put(address, (byte)address);
        _device.FailAfter = 2;
        Assert.Throws<DeviceException>(_blocks.Flush);

        _device.FailAfter = null;
        _device.Operations.Clear();
        _blocks.Flush();

        Assert.Equal([3, 10, 20], _device.Operations.SelectMany(operation => operation.Blocks));
    }

    [Theory, InlineData(Errno.ENOSPC), InlineData(Errno.EDQUOT)]
    public void Sparse_device_without_space_is_full_metadata_unless_it_is_the_superblock_that_fails(int errno)
    {
        _device.FailWith = errno;
        _device.FailAfter = 0;
        Put(7, 1);
        Assert.Throws<MetadataFullException>(_blocks.Flush);
        _blocks.Forget();

        Put(0, 1);
        Assert.Throws<DeviceException>(_blocks.Flush);
    }

    [Fact]
    public void Cache_smaller_than_a_tree_operation_needs_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new BlockManager(_device, BlockManager.MinCacheBlocks - 1));

    [Fact]
    public void Steady_state_allocates_nothing()
    {
        BlockManager blocks = new(new MemoryBlockDevice(DeviceBlocks * BlockManager.BlockSize), BlockManager.MinCacheBlocks);
        Assert.Equal(0, Allocation.Of(WriteAll));

        void WriteAll()
        {
            for (ulong i = 0; i < DeviceBlocks; i++)
            {
                using WriteBlock block = blocks.WriteZeroed(i, TestBlockValidator.Apple);
                block.Data[TestBlockValidator.ContentOffset] = 1;
            }

            blocks.Flush();
        }
    }

    private void Put(ulong address, byte value)
    {
        using WriteBlock block = _blocks.WriteZeroed(address, TestBlockValidator.Apple);
        block.Data[TestBlockValidator.ContentOffset] = value;
    }

    private byte Get(ulong address, BlockValidator? type = null)
    {
        using ReadBlock block = _blocks.Read(address, type ?? TestBlockValidator.Apple);
        return block.Data[TestBlockValidator.ContentOffset];
    }
}
