using System.Buffers.Binary;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>
/// Random transactions against a dictionary of reference counts. After every commit the counts are decoded from the
/// bytes on the device and must be the dictionary's; the operations that led there must have kept to the order of durability.
/// </summary>
public sealed class MetadataStoreModelTests
{
    public static TheoryData<int> ManySeeds => Seeds.For(12);

    [Theory, MemberData(nameof(ManySeeds))]
    public void Space_map_counts_what_a_dictionary_counts(int seed)
    {
        using Run run = new(seed);
        for (int i = 0; i < 1000; i++) run.Step();
        run.Finish();
    }

    private sealed class Run : IDisposable
    {
        private readonly Random _random;
        private readonly RecordingDevice _device;
        private readonly List<Reader> _readers = [];
        private MetadataStore _store;
        private DecodedSpaceMap? _committedMap;
        private Dictionary<ulong, uint> _counts = [];
        private Dictionary<ulong, uint> _committedCounts = [];
        private HashSet<ulong> _new = [];
        private ulong _commits;

        public Run(int seed)
        {
            _random = new Random(seed);
            // Some devices are nearly full all the time, some lie across several bitmaps, some grow.
            ulong blockCount = (ulong)(_random.Next(4) switch
            {
                0 => _random.Next(12, 100),
                1 => _random.Next(16300, 18000),
                _ => _random.Next(100, 3000),
            });
            _device = new RecordingDevice(blockCount);
            if (_random.Next(2) == 0) _device.Capacity = blockCount * 4;
            if (_random.Next(2) == 0) _device.CapacityErrno = Errno.ENOSPC;
            _store = MetadataStore.Create(Blocks(), TestSuperblock.Format);
            Commit();
            if (blockCount > 16000) Fill();
        }

        public void Step()
        {
            try
            {
                int choice = _random.Next(1000);
                if (choice < 400) NewBlock();
                else if (choice < 600) Inc();
                else if (choice < 850) Dec();
                else if (choice < 920) Shadow();
                else if (choice < 970) Commit();
                else if (choice < 977) Fill();
                else if (choice < 984) Pin();
                else if (choice < 991) Unpin();
                else if (choice < 996) RollBack();
                else Reopen();
            }
            catch (MetadataFullException)
            {
                Assert.Equal(0ul, _store.SpaceMap.FreeBlocks);
                Assert.True(_device.BlockCount + Math.Max(256, _device.BlockCount / 4) > _device.Capacity);
                RollBack();
            }
        }

        public void Dispose() => _device.Dispose();

        public void Finish()
        {
            while (_readers.Count > 0) Unpin();
            Reopen();
            foreach ((ulong block, uint count) in _counts) _store.Transactions.Dec(block, count);

            _counts.Clear();
            _new.Clear();
            Commit();
            Commit();
            Assert.Equal((ulong)_committedMap!.OwnBlocks.Count, _store.SpaceMap.UsedBlocks);
        }

        private void NewBlock()
        {
            using WriteBlock block = _store.Transactions.NewBlock(TestBlockValidator.Apple);
            CheckIsFree(block.Address);
            Assert.False(block.Data.ContainsAnyExcept((byte)0));
            Stamp(block);
            _counts.Add(block.Address, 1);
            _new.Add(block.Address);
        }

        private void Fill()
        {
            ulong most = _store.SpaceMap.FreeBlocks;
            for (ulong i = (ulong)_random.NextInt64((long)most + 1); i > 0; i--) NewBlock();
        }

        private void Inc()
        {
            if (_counts.Count == 0) return;
            ulong block = AnyBlock();
            uint pointers = _random.Next(4) == 0 ? (uint)_random.Next(100_000) : (uint)_random.Next(1, 6);
            _store.Transactions.Inc(block, pointers);
            _counts[block] += pointers;
        }

        private void Dec()
        {
            if (_counts.Count == 0) return;
            ulong block = AnyBlock();
            uint pointers = _random.Next(2) == 0 ? 1 : (uint)_random.NextInt64(1, _counts[block] + 1L);
            _store.Transactions.Dec(block, pointers);
            Drop(block, pointers);
        }

        private void Shadow()
        {
            if (_counts.Count == 0) return;
            ulong original = AnyBlock();
            bool isShared = _counts[original] > 1;
            byte[] content = Content(original);
            using WriteBlock copy = _store.Transactions.Shadow(original, TestBlockValidator.Apple, out bool incChildren);
            Assert.Equal(isShared, incChildren);
            Assert.Equal(content, copy.Data[TestBlockValidator.ContentOffset..].ToArray());
            Assert.Equal(!isShared && _new.Contains(original), original == copy.Address);
            Stamp(copy);
            if (original == copy.Address) return;

            CheckIsFree(copy.Address);
            Drop(original);
            _counts.Add(copy.Address, 1);
            _new.Add(copy.Address);
        }

        private void Commit()
        {
            RecordingDevice before = _device.Copy();
            _device.Operations.Clear();
            bool hasRoom = _store.SpaceMap.FreeBlocks > 0;
            try
            {
                _store.Commit(TestSuperblock.Numbered(_commits + 1));
            }
            catch (MetadataFullException)
            {
                Assert.False(hasRoom, "room was kept back, but too little");
                throw;
            }

            _commits++;
            CheckOrderOfDurability(before);
            _committedMap = new DecodedSpaceMap(_device);
            Assert.Equal(_commits, TestSuperblock.NumberIn(_device[0]));
            Assert.Equal(_store.SpaceMap.BlockCount, _committedMap.NrBlocks);
            uint[] expected = new uint[_committedMap.NrBlocks];
            foreach (ulong block in _committedMap.OwnBlocks) expected[block] = 1;
            foreach ((ulong block, uint count) in _counts) expected[block] += count;
            AssertSame(expected, block => _committedMap.Counts[block]);
            AssertSame(expected, block => _store.SpaceMap.Count((ulong)block));

            Assert.Equal((ulong)_committedMap.UsedBlocks.Count(), _store.SpaceMap.UsedBlocks);

            _committedCounts = new(_counts);
            _new.Clear();
        }

        private static void AssertSame(uint[] expected, Func<int, uint> actual)
        {
            for (int block = 0; block < expected.Length; block++)
            {
                if (expected[block] != actual(block)) Assert.Equal((block, expected[block]), (block, actual(block)));
            }
        }

        /// <summary>What may be on disk if the power fails before the superblock is written: all of the rest, and then
        /// the old state must be whole.</summary>
        private void CheckOrderOfDurability(RecordingDevice before)
        {
            int firstFlush = _device.Operations.FindIndex(operation => operation.IsFlush);
            IEnumerable<ulong> first = _device.Operations[..firstFlush].SelectMany(operation => operation.Blocks);
            Assert.DoesNotContain(first, block => _committedMap?.IsUsed(block) ?? block == 0);
            Assert.Equal(
                [new(0, 4096), RecordingDevice.Operation.Flush], _device.Operations[(firstFlush + 1)..]);
            if (_committedMap is null) return;

            RecordingDevice crashed = _device.Copy();
            crashed[0] = before[0];
            Assert.True(_committedMap.Counts.AsSpan().SequenceEqual(new DecodedSpaceMap(crashed).Counts));
        }

        private void Pin()
        {
            byte[] superblock = new byte[BlockManager.BlockSize];
            long pin = _store.Pin(superblock);
            Assert.Equal(_device[0], superblock);
            _readers.Add(new Reader(_committedMap!, _device.Copy(), pin));
        }

        private void Unpin()
        {
            if (_readers.Count == 0) return;
            int index = _random.Next(_readers.Count);
            Reader reader = _readers[index];
            foreach (ulong block in reader.Map.UsedBlocks.Where(block => block != 0))
                Assert.Equal(reader.Device[block], _device[block]);
            _readers.RemoveAt(index);
            _store.Unpin(reader.Pin);
        }

        private void RollBack()
        {
            _store.Reload();
            ForgetTransaction();
        }

        private void Reopen()
        {
            _readers.Clear();
            _store = MetadataStore.Open(Blocks(), TestSuperblock.Format);
            ForgetTransaction();
        }

        private void ForgetTransaction()
        {
            _counts = new(_committedCounts);
            _new = [];
            Assert.Equal(_committedMap!.NrBlocks, _store.SpaceMap.BlockCount);
            foreach ((ulong block, uint count) in _counts) Assert.Equal(count, _store.SpaceMap.Count(block));
            foreach (ulong block in _counts.Keys.Take(100)) Content(block);
        }

        private void CheckIsFree(ulong block)
        {
            Assert.False(_counts.ContainsKey(block), $"block {block} is in use");
            Assert.False(_committedMap!.IsUsed(block), $"block {block} is in use as committed");
            foreach (Reader reader in _readers) Assert.False(reader.Map.IsUsed(block), $"block {block} is pinned");
        }

        private ulong AnyBlock() => _counts.ElementAt(_random.Next(_counts.Count)).Key;

        private void Drop(ulong block, uint pointers = 1)
        {
            if ((_counts[block] -= pointers) > 0) return;
            _counts.Remove(block);
            _new.Remove(block);
        }

        private void Stamp(WriteBlock block) =>
            BinaryPrimitives.WriteInt64LittleEndian(block.Data[(TestBlockValidator.ContentOffset + 8)..], _random.NextInt64());

        private byte[] Content(ulong address)
        {
            using ReadBlock block = _store.Transactions.Read(address, TestBlockValidator.Apple);
            return block.Data[TestBlockValidator.ContentOffset..].ToArray();
        }

        private BlockManager Blocks() => new(_device, _random.Next(BlockManager.MinCacheBlocks, 500));

        private sealed record Reader(DecodedSpaceMap Map, RecordingDevice Device, long Pin);
    }
}
