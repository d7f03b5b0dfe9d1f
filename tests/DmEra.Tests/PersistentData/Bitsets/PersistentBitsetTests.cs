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
            for (int step = random.Next(1, 20); step > 0; step--)
            {
                int begin = random.Next(model.Length);
                int end = begin + (random.Next(model.Length - begin) >> random.Next(16)) + 1;
                root = _bitset.SetRange(root, (uint)begin, (uint)end);
                Array.Fill(model, true, begin, end - begin);
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
    }

    [Theory]
    [InlineData(0, 0), InlineData(5, 6), InlineData(0, 64), InlineData(63, 65), InlineData(PerBlock - 1, PerBlock + 1)]
    [InlineData(PerBlock, 2 * PerBlock), InlineData(0, 3 * PerBlock), InlineData((3 * PerBlock) - 1, 3 * PerBlock)]
    public void Range_sets_its_bits_and_no_others(uint begin, uint end)
    {
        ulong root = _bitset.SetRange(_bitset.CreateEmpty(3 * PerBlock), begin, end);

        for (uint bit = 0; bit < 3 * PerBlock; bit++) Assert.Equal(bit >= begin && bit < end, _bitset.Test(root, bit));
    }

    [Fact]
    public void First_bit_in_a_transaction_copies_the_path_and_later_ones_nothing()
    {
        ulong root = _bitset.CreateEmpty(3 * PerBlock);
        _metadata.Commit();

        root = _bitset.SetRange(root, PerBlock, PerBlock + 1);
        Assert.Equal(2, _metadata.Allocated);

        Assert.Equal(root, _bitset.SetRange(root, PerBlock + 100, PerBlock + 200));
        Assert.Equal(2, _metadata.Allocated);
    }

    [Fact]
    public void Bitset_without_bits_is_an_empty_index()
    {
        ulong root = _bitset.CreateEmpty(0);

        Assert.Equal(root, _bitset.SetRange(root, 0, 0));
        Assert.Throws<MetadataCorruptException>(() => _bitset.Test(root, 0));
        _metadata.CommitAndAudit(audit => Assert.Empty(audit.Array(root, 8, 0)));
    }

    [Fact]
    public void Bit_behind_the_last_word_is_damage()
    {
        ulong root = _bitset.CreateEmpty(100);

        Assert.Throws<MetadataCorruptException>(() => _bitset.SetRange(root, 60, 129));
        Assert.Throws<MetadataCorruptException>(() => _bitset.SetRange(root, PerBlock, PerBlock + 1));
        Assert.Throws<MetadataCorruptException>(() => _bitset.Test(root, 128));
        Assert.Throws<MetadataCorruptException>(() => _bitset.ReadBlock(root, 0, 129).Dispose());
        _metadata.Blocks.Forget();      // no lease was left behind
    }

    [Fact]
    public void Words_are_read_a_block_at_a_time()
    {
        ulong root = _bitset.CreateEmpty(PerBlock + 200);
        root = _bitset.SetRange(root, PerBlock - 1, PerBlock + 2);
        root = _bitset.SetRange(root, PerBlock + 64, PerBlock + 65);

        using ReadArrayBlock<Le64> block = _bitset.ReadBlock(root, 1, bitCount: 65);

        Assert.Equal([3UL, 1UL], MemoryMarshal.Cast<Le64, ulong>(block.Values).ToArray());
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
