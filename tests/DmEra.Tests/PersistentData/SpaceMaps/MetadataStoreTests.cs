using System.Buffers.Binary;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

public sealed class MetadataStoreTests : IDisposable
{
    private readonly RecordingDevice _device = new(64);
    private readonly byte[] _superblock = new byte[BlockManager.BlockSize];
    private readonly MetadataStore _store;

    public MetadataStoreTests() => _store = MetadataStore.Create(new BlockManager(_device), TestSuperblock.Format);

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Creating_writes_nothing_before_the_commit()
    {
        NewBlock();
        Assert.Empty(_device.Operations);
    }

    [Fact]
    public void Superblock_is_written_alone_after_everything_it_leads_to_was_flushed()
    {
        ulong block = NewBlock();
        _store.Commit(TestSuperblock.Numbered(7));

        Assert.Equal([RecordingDevice.Operation.Flush, new(0, BlockManager.BlockSize), RecordingDevice.Operation.Flush],
            _device.Operations[^3..]);
        Assert.Contains(block, _device.Operations[..^3].SelectMany(operation => operation.Blocks));
        Assert.DoesNotContain(0ul, _device.Operations[..^3].SelectMany(operation => operation.Blocks));
        Assert.Equal(7ul, TestSuperblock.NumberIn(_device[0]));
    }

    [Fact]
    public void Commit_without_a_changed_count_writes_only_the_superblock()
    {
        _store.Commit(TestSuperblock.Numbered(1));
        byte[] before = _device[0];
        _device.Operations.Clear();

        _store.Commit(TestSuperblock.Numbered(2));

        Assert.Equal(0ul, Assert.Single(_device.Operations, operation => !operation.IsFlush).Blocks.Single());
        Assert.Equal(before[44..172], _device[0][44..172]);
    }

    [Fact]
    public void Superblock_is_zero_where_nothing_was_filled_in()
    {
        _store.Commit(superblock => superblock[4000] = 1);
        _store.Commit(_ => { });
        Assert.Equal(0, _device[0][4000]);
    }

    [Fact]
    public void Reopened_store_has_what_was_committed()
    {
        ulong block = NewBlock(5);
        _store.Commit(TestSuperblock.Numbered(1));
        NewBlock(6);

        MetadataStore reopened = Reopen();

        Assert.Equal(1u, reopened.SpaceMap.Count(block));
        Assert.Equal(5, ContentOf(reopened, block));
        Assert.Equal(5ul, reopened.SpaceMap.UsedBlocks);
    }

    [Fact]
    public void Reload_gives_up_the_transaction()
    {
        ulong kept = NewBlock(5);
        _store.Commit(TestSuperblock.Numbered(1));
        ulong lost = NewBlock(6);
        _store.Transactions.Inc(kept);

        _store.Reload();

        Assert.Equal(1u, _store.SpaceMap.Count(kept));
        Assert.Equal(0u, _store.SpaceMap.Count(lost));
        using WriteBlock copy = _store.Transactions.Shadow(kept, TestBlockValidator.Apple, out _);
        Assert.NotEqual(kept, copy.Address);
    }

    [Fact]
    public void Commit_that_fails_anywhere_leaves_the_old_state_or_the_new_one()
    {
        ulong old = NewBlock(5);
        _store.Commit(TestSuperblock.Numbered(1));
        byte[] oldSuperblock = _device[0];
        _store.Transactions.Dec(old);
        NewBlock(6);
        bool succeeded = false;
        for (int operations = 0; !succeeded; operations++)
        {
            RecordingDevice device = _device.Copy();
            MetadataStore store = MetadataStore.Open(new BlockManager(device), TestSuperblock.Format);
            store.Transactions.Dec(old);
            ulong added;
            using (WriteBlock block = store.Transactions.NewBlock(TestBlockValidator.Apple)) added = block.Address;
            device.FailAfter = operations;
            succeeded = TryCommit(store, 2);

            DecodedSpaceMap onDisk = new(device);
            bool isNew = !device[0].AsSpan().SequenceEqual(oldSuperblock);
            Assert.Equal(isNew ? 2ul : 1ul, TestSuperblock.NumberIn(device[0]));
            Assert.Equal(isNew, onDisk.IsUsed(added));
            Assert.Equal(!isNew, onDisk.IsUsed(old));
            Assert.True(isNew || !succeeded);
        }
    }

    [Fact]
    public void Failed_commit_stops_every_change_until_the_store_is_reloaded()
    {
        ulong block = NewBlock(5);
        _store.Commit(TestSuperblock.Numbered(1));
        NewBlock(6);
        _device.FailAfter = 0;
        Assert.False(TryCommit(_store, 2));
        _device.FailAfter = null;
        _device.Operations.Clear();

        MetadataFailedException fault =
            Assert.Throws<MetadataFailedException>(() => _store.Commit(TestSuperblock.Numbered(3)));
        Assert.IsType<DeviceException>(fault.InnerException);
        Assert.Throws<MetadataFailedException>(() => NewBlock());
        Assert.Empty(_device.Operations);

        _store.Reload();
        Assert.Equal(5, ContentOf(_store, block));
        NewBlock(7);
        _store.Commit(TestSuperblock.Numbered(4));
        Assert.Equal(6ul, _store.SpaceMap.UsedBlocks);
    }

    [Fact]
    public void Fault_while_the_superblock_is_filled_fails_the_commit()
    {
        Assert.Throws<InvalidDataException>(() => _store.Commit(_ => throw new InvalidDataException()));
        Assert.DoesNotContain(_device.Operations, operation => operation.Blocks.Contains(0ul));
        Assert.Throws<MetadataFailedException>(() => _store.Commit(TestSuperblock.Numbered(1)));
    }

    [Fact]
    public void Reload_that_fails_stops_every_change()
    {
        _store.Commit(TestSuperblock.Numbered(1));
        byte[] good = _device[0];
        _device[0] = new byte[BlockManager.BlockSize];
        Assert.Throws<MetadataCorruptException>(_store.Reload);
        Assert.Throws<MetadataFailedException>(() => NewBlock());

        _device[0] = good;
        _store.Reload();
        NewBlock();
    }

    [Fact]
    public void Pinned_blocks_are_not_used_anew_until_unpinned_and_committed()
    {
        ulong block = NewBlock(5);
        _store.Commit(TestSuperblock.Numbered(1));
        long pin = _store.Pin(_superblock);
        _store.Transactions.Dec(block);
        for (ulong i = 2; i < 5; i++)
        {
            _store.Commit(TestSuperblock.Numbered(i));
            Assert.DoesNotContain(block, AllocateAll());
            _store.Reload();
        }

        _store.Unpin(pin);
        ulong free = _store.SpaceMap.FreeBlocks;
        _store.Commit(TestSuperblock.Numbered(5));
        Assert.True(_store.SpaceMap.FreeBlocks > free);
        Assert.Equal(64 - _store.SpaceMap.UsedBlocks, _store.SpaceMap.FreeBlocks + 3);      // three are kept back
    }

    [Fact]
    public void Blocks_of_the_newer_readers_stay_when_the_older_ones_have_left()
    {
        ulong block = NewBlock();
        _store.Commit(TestSuperblock.Numbered(1));
        long older = _store.Pin(_superblock);
        _store.Commit(TestSuperblock.Numbered(2));
        long newer = _store.Pin(_superblock);
        _store.Transactions.Dec(block);
        _store.Commit(TestSuperblock.Numbered(3));

        _store.Unpin(older);
        _store.Commit(TestSuperblock.Numbered(4));
        Assert.DoesNotContain(block, AllocateAll());
        _store.Reload();

        _store.Unpin(newer);
        _store.Commit(TestSuperblock.Numbered(5));
        Assert.Contains(block, AllocateAll());
    }

    [Fact]
    public void Readers_that_follow_one_another_without_a_gap_do_not_use_up_the_device()
    {
        ulong block = NewBlock();
        Queue<long> pins = [];
        for (ulong i = 1; i < 500; i++)
        {
            _store.Commit(TestSuperblock.Numbered(i));
            pins.Enqueue(_store.Pin(_superblock));
            if (pins.Count > 3) _store.Unpin(pins.Dequeue());
            _store.Transactions.Dec(block);
            block = NewBlock();
        }
    }

    [Fact]
    public void Pinned_superblock_is_the_one_last_committed()
    {
        _store.Commit(TestSuperblock.Numbered(1));
        NewBlock();
        _store.Pin(_superblock);
        Assert.Equal(1ul, TestSuperblock.NumberIn(_superblock));

        _store.Commit(TestSuperblock.Numbered(2));
        _store.Pin(_superblock);
        Assert.Equal(2ul, TestSuperblock.NumberIn(_superblock));
        Assert.Equal(_device[0], _superblock);

        Reopen().Pin(_superblock);
        Assert.Equal(_device[0], _superblock);
    }

    [Fact]
    public void Unpinning_what_is_not_pinned_is_refused() => Assert.Throws<InvalidOperationException>(() => _store.Unpin(0));

    [Fact]
    public void Transactions_allocate_no_memory()
    {
        using MemoryBlockDevice device = new(1000 * BlockManager.BlockSize);
        MetadataStore store = MetadataStore.Create(new BlockManager(device), TestSuperblock.Format);
        FillSuperblock fill = TestSuperblock.Numbered(1);
        ulong[] blocks = new ulong[100];
        foreach (ref ulong address in blocks.AsSpan())
        {
            using WriteBlock block = store.Transactions.NewBlock(TestBlockValidator.Apple);
            address = block.Address;
        }

        Assert.Equal(0, Allocation.Of(ShadowAllAndCommit));

        void ShadowAllAndCommit()
        {
            foreach (ref ulong address in blocks.AsSpan())
            {
                using WriteBlock block = store.Transactions.Shadow(address, TestBlockValidator.Apple, out _);
                address = block.Address;
            }

            store.Commit(fill);
        }
    }

    [Fact]
    public void Readers_on_other_threads_see_one_state_while_others_are_committed()
    {
        const int RootOffset = 208;
        using MemoryBlockDevice device = new(200 * BlockManager.BlockSize);
        MetadataStore store = MetadataStore.Create(new BlockManager(device), TestSuperblock.Format);
        ulong root = 0;
        CommitNext(0);
        using CancellationTokenSource done = new();
        Exception? failure = null;
        Thread[] readers = [.. Enumerable.Range(0, 2).Select(_ => new Thread(ReadUntilDone))];
        foreach (Thread reader in readers) reader.Start();

        for (ulong number = 1; number < 1500; number++) CommitNext(number);
        done.Cancel();
        foreach (Thread reader in readers) Assert.True(reader.Join(TimeSpan.FromMinutes(1)));
        Assert.Null(failure);

        void CommitNext(ulong number)
        {
            using (WriteBlock block = number == 0
                ? store.Transactions.NewBlock(TestBlockValidator.Apple)
                : store.Transactions.Shadow(root, TestBlockValidator.Apple, out _))
            {
                root = block.Address;
                BinaryPrimitives.WriteUInt64LittleEndian(block.Data[200..], number);
            }

            store.Commit(superblock =>
            {
                TestSuperblock.Numbered(number)(superblock);
                BinaryPrimitives.WriteUInt64LittleEndian(superblock[RootOffset..], root);
            });
        }

        void ReadUntilDone()
        {
            try
            {
                byte[] superblock = new byte[BlockManager.BlockSize];
                while (!done.IsCancellationRequested)
                {
                    long pin = store.Pin(superblock);
                    BlockManager blocks = new(device, BlockManager.MinCacheBlocks);
                    ulong address = BinaryPrimitives.ReadUInt64LittleEndian(superblock.AsSpan(RootOffset));
                    using (ReadBlock block = blocks.Read(address, TestBlockValidator.Apple))
                        Assert.Equal(TestSuperblock.NumberIn(superblock), BinaryPrimitives.ReadUInt64LittleEndian(block.Data[200..]));
                    store.Unpin(pin);
                }
            }
            catch (Exception fault)
            {
                failure = fault;
            }
        }
    }

    private ulong NewBlock(byte content = 0)
    {
        using WriteBlock block = _store.Transactions.NewBlock(TestBlockValidator.Apple);
        block.Data[TestBlockValidator.ContentOffset] = content;
        return block.Address;
    }

    private static byte ContentOf(MetadataStore store, ulong address)
    {
        using ReadBlock block = store.Transactions.Read(address, TestBlockValidator.Apple);
        return block.Data[TestBlockValidator.ContentOffset];
    }

    private List<ulong> AllocateAll()
    {
        List<ulong> all = [];
        while (_store.SpaceMap.FreeBlocks > 0) all.Add(_store.SpaceMap.Allocate());
        return all;
    }

    private static bool TryCommit(MetadataStore store, ulong number)
    {
        try
        {
            store.Commit(TestSuperblock.Numbered(number));
            return true;
        }
        catch (DeviceException)
        {
            return false;
        }
    }

    private MetadataStore Reopen() => MetadataStore.Open(new BlockManager(_device), TestSuperblock.Format);
}
