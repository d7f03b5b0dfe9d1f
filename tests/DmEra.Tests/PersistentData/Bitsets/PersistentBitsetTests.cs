using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.Bitsets;

public sealed class PersistentBitsetTests
{
    private const uint PerBlock = 32_576;

    private readonly TestMetadata _metadata = new();
    private readonly PersistentBitset _bitset;

    public PersistentBitsetTests() => _bitset = new PersistentBitset(_metadata.Transactions);

    public static TheoryData<int> AllSeeds => Seeds.For(40);

    [Fact]
    public void Array_block_holds_as_many_bits_as_the_format_says() =>
        Assert.Equal(PerBlock, PersistentBitset.BitsPerBlock);

    [Theory, MemberData(nameof(AllSeeds))]
    public void Bitset_behaves_like_an_array_of_booleans(int seed)
    {
        Random random = new(seed);
        bool[] model = new bool[random.Next(1, 4 * (int)PerBlock)];
        ulong root = _bitset.CreateEmpty((uint)model.Length);
        List<(ulong Root, bool[] Model)> snapshots = [];
        for (int commit = 0; commit < 10; commit++)
        {
            for (int step = random.Next(1, 6); step > 0; step--)
            {
                if (random.Next(5) == 0) Resize();
                else SetSome();
            }

            uint probe = (uint)random.Next(model.Length);
            Assert.Equal(model[probe], _bitset.Test(root, probe));
            _metadata.CommitAndAudit(audit =>
            {
                foreach ((ulong each, bool[] expected) in snapshots.Append((root, model))) AssertSame(audit, each, expected);
            });
            if (random.Next(3) != 0 || snapshots.Count >= 3) continue;
            _metadata.Transactions.Inc(root);
            snapshots.Add((root, [.. model]));
        }

        foreach ((ulong each, _) in snapshots.Append((root, model))) _bitset.Delete(each);
        _metadata.CommitAndAudit(_ => { });

        void Resize()
        {
            uint oldCount = (uint)model.Length;
            Array.Resize(ref model, random.Next(1, 4 * (int)PerBlock));
            root = _bitset.Resize(root, oldCount, (uint)model.Length);
        }

        void SetSome()
        {
            int most = Math.Min(model.Length, 1 << random.Next(12));
            int from = random.Next(model.Length);
            uint[] bits = random.Next(2) == 0
                ? [.. Enumerable.Range(from, Math.Min(most, model.Length - from)).Select(bit => (uint)bit)]
                : [.. Enumerable.Range(0, most).Select(_ => (uint)random.Next(model.Length)).Order()];
            root = _bitset.SetBits(root, bits);
            foreach (uint bit in bits) model[bit] = true;
        }
    }

    [Fact]
    public void Setting_bits_fetches_each_array_block_once_and_copies_it_once()
    {
        ulong root = _bitset.CreateEmpty(3 * PerBlock);
        _metadata.Commit();

        root = _bitset.SetBits(root, [0, 1, PerBlock - 1, 2 * PerBlock, 2 * PerBlock]);

        Assert.Equal(3, _metadata.Allocated);   // the index and two array blocks
        Assert.Equal(
            [true, true, false, true, false, true, false],
            new uint[] { 0, 1, 2, PerBlock - 1, PerBlock, 2 * PerBlock, (2 * PerBlock) + 1 }.Select(bit => _bitset.Test(root, bit)));
    }

    [Fact]
    public void Bits_cut_off_are_clear_when_the_bitset_grows_again()
    {
        ulong root = _bitset.SetBits(_bitset.CreateEmpty(130), [63, 64, 100, 129]);

        root = _bitset.Resize(root, 130, 100);
        root = _bitset.Resize(root, 100, 130);

        Assert.Equal([63u, 64u], Enumerable.Range(0, 130).Select(bit => (uint)bit).Where(bit => _bitset.Test(root, bit)));
    }

    [Fact]
    public void Bitset_without_bits_is_an_empty_index()
    {
        ulong root = _bitset.CreateEmpty(0);

        Assert.Equal(root, _bitset.SetBits(root, []));
        Assert.Throws<MetadataCorruptException>(() => _bitset.Test(root, 0));
        _metadata.CommitAndAudit(audit => Assert.Empty(audit.Array(root, 8, 0)));
    }

    [Fact]
    public void Bit_behind_the_last_word_is_damage()
    {
        ulong root = _bitset.CreateEmpty(100);

        Assert.Throws<MetadataCorruptException>(() => _bitset.SetBits(root, [128]));
        Assert.Throws<MetadataCorruptException>(() => _bitset.SetBits(root, [PerBlock]));
        Assert.Throws<MetadataCorruptException>(() => _bitset.Test(root, 128));
        _metadata.Blocks.Forget();      // no lease was left behind
    }

    [Fact]
    public void Words_are_read_a_block_at_a_time()
    {
        ulong root = _bitset.SetBits(_bitset.CreateEmpty(PerBlock + 65), [0, PerBlock + 1, PerBlock + 64]);

        using ReadArrayBlock<Le64> block = _bitset.ReadBlock(root, 1);

        Assert.Equal([2UL, 1UL], MemoryMarshal.Cast<Le64, ulong>(block.Values).ToArray());
    }

    private static void AssertSame(TreeAudit audit, ulong root, bool[] expected)
    {
        byte[] bytes = audit.Array(root, 8, (expected.Length + 63) / 64);
        for (int bit = 0; bit < 8 * bytes.Length; bit++)
        {
            if ((bytes[bit / 8] >> (bit % 8) & 1) != 0 != (bit < expected.Length && expected[bit]))
                Assert.Fail($"bit {bit} of {expected.Length} is wrong");
        }
    }
}
