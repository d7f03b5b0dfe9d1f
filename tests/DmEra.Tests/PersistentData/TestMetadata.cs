using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Transactions;

namespace DmEra.Tests.PersistentData;

/// <summary>
/// A small metadata device in memory for tests of what lies on it. The cache is small, too, so that blocks go out
/// to the device and come back through their validators all the time.
/// </summary>
internal sealed class TestMetadata
{
    private readonly CommittedCounts _counts;
    private byte[] _committed;
    private byte[] _image;

    public TestMetadata(int blockCount = 1024, int cacheBlocks = 2 * BlockManager.MinCacheBlocks)
    {
        MemoryBlockDevice device = new(blockCount * BlockManager.BlockSize);
        _committed = device.ToArray();
        _image = device.ToArray();
        _counts = new CommittedCounts(blockCount);
        _counts.Inc(0);     // the superblock's place
        Transactions = new TransactionManager(new BlockManager(device, cacheBlocks), _counts);
        Commit();
    }

    public TransactionManager Transactions { get; }

    public BlockManager Blocks => Transactions.Blocks;

    public ulong UsedBlocks => _counts.BlockCount - _counts.FreeBlocks;

    /// <summary>Blocks allocated since the last commit.</summary>
    public int Allocated => _counts.Allocated;

    /// <summary>Ends the transaction as a commit does, and checks that it changed no block of the one before.</summary>
    public void Commit()
    {
        Blocks.Flush();
        Blocks.Device.Read(0, _image);
        foreach (int block in _counts.CommittedBlocks)
        {
            if (!BlockOf(_image, block).SequenceEqual(BlockOf(_committed, block)))
                Assert.Fail($"block {block} is committed, and was overwritten");
        }

        (_committed, _image) = (_image, _committed);
        _counts.Commit();
        Transactions.Begin();
    }

    /// <summary>Commits, and checks the count of every block against the pointers found by the audit's walks.</summary>
    public void CommitAndAudit(Action<TreeAudit> walk)
    {
        Commit();
        TreeAudit audit = new(_committed);
        walk(audit);
        for (ulong block = 1; block < _counts.BlockCount; block++)
        {
            uint expected = audit.PointersTo(block), actual = _counts.Count(block);
            if (expected != actual) Assert.Fail($"block {block} has {expected} pointers, but its count is {actual}");
        }
    }

    private static ReadOnlySpan<byte> BlockOf(byte[] image, int block) =>
        image.AsSpan(block * BlockManager.BlockSize, BlockManager.BlockSize);

    /// <summary>Reference counts that keep to the rule for reuse: a block in use at the last commit is not
    /// handed out before the next one.</summary>
    private sealed class CommittedCounts(int blockCount) : ISpaceMap
    {
        private readonly uint[] _current = new uint[blockCount];
        private uint[] _committed = new uint[blockCount];
        private int _cursor;

        public ulong BlockCount => (ulong)_current.Length;

        public ulong FreeBlocks => (ulong)_current.Count(count => count == 0);

        public int Allocated { get; private set; }

        public IEnumerable<int> CommittedBlocks =>
            Enumerable.Range(0, _committed.Length).Where(block => _committed[block] > 0);

        public void Commit()
        {
            _committed = [.. _current];
            Allocated = 0;
        }

        public uint Count(ulong block) => At(block);

        public void Inc(ulong block, uint pointers = 1) => At(block) += pointers;

        public void Dec(ulong block, uint pointers = 1)
        {
            if (At(block) < pointers) throw Corrupt(block);
            At(block) -= pointers;
        }

        public ulong Allocate()
        {
            for (int step = 0; step < _current.Length; step++)
            {
                _cursor = (_cursor + 1) % _current.Length;
                if (_current[_cursor] > 0 || _committed[_cursor] > 0) continue;
                _current[_cursor] = 1;
                Allocated++;
                return (ulong)_cursor;
            }

            throw new MetadataFullException("no free block");
        }

        private ref uint At(ulong block)
        {
            if (block >= BlockCount) throw Corrupt(block);
            return ref _current[block];
        }

        private static MetadataCorruptException Corrupt(ulong block) =>
            new(block, "bad reference count", MetadataCorruption.Damaged);
    }
}
