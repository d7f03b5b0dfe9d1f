using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Metadata;
using DmEra.Tests.Golden;

namespace DmEra.Tests.PersistentData;

/// <summary>Trees, arrays and bitsets that the kernel wrote.</summary>
public sealed class KernelMadeTreesTests
{
    public static TheoryData<string> AllImages => GoldenImage.All;

    [Theory, MemberData(nameof(AllImages))]
    public void Eras_are_read_as_the_tools_read_them(string name)
    {
        GoldenImage image = GoldenImage.Load(name);
        Metadata metadata = new(image);
        uint[] eras = metadata.Eras();

        foreach ((uint since, IReadOnlyList<(uint Begin, uint End)> expected) in image.WrittenSince())
        {
            HashSet<uint> blocks = [.. expected.SelectMany(range => Blocks(range.Begin, range.End))];
            for (uint block = 0; block < eras.Length; block++)
            {
                // What was never written counts as era 0, and was written since that.
                if (eras[block] >= since != blocks.Contains(block))
                    Assert.Fail($"block {block}, of era {eras[block]}: the tools say otherwise since {since}");
            }
        }
    }

    [Theory, MemberData(nameof(AllImages))]
    public void Taking_everything_down_releases_every_block(string name)
    {
        Metadata metadata = new(GoldenImage.Load(name));

        metadata.DeleteEverything();

        // The superblock, one snapshot of it at most, the index of the space map, its bitmaps and its overflow tree.
        Assert.Equal(metadata.SpaceMapBlocks, metadata.UsedBlocks());
    }

    private static IEnumerable<uint> Blocks(uint begin, uint end)
    {
        for (uint block = begin; block < end; block++) yield return block;
    }

    /// <summary>As much of an era target as these tests need.</summary>
    private sealed class Metadata
    {
        private readonly MetadataStore _store;
        private readonly PersistentArray<Le32> _eras;
        private readonly PersistentBitset _bitsets;
        private readonly BTree<WritesetRecord> _writesets;
        private Superblock _superblock;

        public Metadata(GoldenImage image)
        {
            BlockManager blocks = new(new MemoryBlockDevice(image.Metadata));
            int rootOffset = (int)Marshal.OffsetOf<Superblock>(nameof(Superblock.MetadataSpaceMapRoot));
            _store = MetadataStore.Open(blocks, new SuperblockFormat(SuperblockValidator.Instance, rootOffset));
            _eras = new PersistentArray<Le32>(_store.Transactions);
            _bitsets = new PersistentBitset(_store.Transactions);
            _writesets = new BTree<WritesetRecord>(_store.Transactions, new WritesetReferences(_store.Transactions, _bitsets));
            _superblock = SuperblockAt(Superblock.Location);
        }

        public int SpaceMapBlocks => 3 + (int)((_store.SpaceMap.BlockCount + 16319) / 16320);

        public int UsedBlocks() =>
            Enumerable.Range(0, (int)_store.SpaceMap.BlockCount).Count(block => _store.SpaceMap.Count((ulong)block) > 0);

        /// <summary>The era in which each block was last written.</summary>
        public uint[] Eras()
        {
            uint[] eras = new uint[_superblock.NrBlocks];
            for (uint i = 0; i < eras.Length; i++) eras[i] = _eras.Get(_superblock.EraArrayRoot, i);
            foreach ((ulong era, WritesetRecord writeset) in _writesets.Entries(_superblock.WritesetTreeRoot))
                Merge(writeset, (uint)era);
            if (_superblock.CurrentWriteset.Root != 0) Merge(_superblock.CurrentWriteset, _superblock.CurrentEra);
            return eras;

            void Merge(WritesetRecord writeset, uint era)
            {
                for (uint bit = 0; bit < Math.Min(writeset.NrBits, eras.Length); bit++)
                    eras[bit] = _bitsets.Test(writeset.Root, bit) ? era : eras[bit];
            }
        }

        public void DeleteEverything()
        {
            DeleteTrees(_superblock);
            if (_superblock.CurrentWriteset.Root != 0) _bitsets.Delete(_superblock.CurrentWriteset.Root);
            if (_superblock.MetadataSnap == 0) return;
            DeleteTrees(SuperblockAt(_superblock.MetadataSnap));
            _store.Transactions.Dec(_superblock.MetadataSnap);
        }

        /// <summary>Digests without a trace, entry by entry, and deletes what is left.</summary>
        private void DeleteTrees(Superblock superblock)
        {
            ulong root = superblock.WritesetTreeRoot;
            while (_writesets.TryLowest(root, out ulong era, out _)) root = _writesets.Remove(root, era);
            _writesets.Delete(root);
            _eras.Delete(_eras.Resize(superblock.EraArrayRoot, superblock.NrBlocks, superblock.NrBlocks / 2, 0));
        }

        private Superblock SuperblockAt(ulong address)
        {
            using ReadBlock block = _store.Transactions.Read(address, SuperblockValidator.Instance);
            return MemoryMarshal.Read<Superblock>(block.Data);
        }
    }
}
