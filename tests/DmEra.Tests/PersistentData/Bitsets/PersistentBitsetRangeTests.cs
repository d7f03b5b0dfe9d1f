using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.Bitsets;

public class PersistentBitsetRangeTests
{
    private const uint BitCount = 3 * 32576;

    public static TheoryData<int> ManySeeds => Seeds.For(20);

    [Theory]
    [InlineData(0u, 0u)]
    [InlineData(5u, 6u)]
    [InlineData(0u, 64u)]
    [InlineData(63u, 65u)]
    [InlineData(32575u, 32577u)]
    [InlineData(32576u, 65152u)]
    [InlineData(0u, BitCount)]
    public void Range_sets_its_bits_and_no_others(uint begin, uint end)
    {
        PersistentBitset bitset = new(new TestMetadata().Transactions);
        ulong root = bitset.SetRange(bitset.CreateEmpty(BitCount), begin, end);

        for (uint bit = 0; bit < BitCount; bit++) Assert.Equal(bit >= begin && bit < end, bitset.Test(root, bit));
    }

    [Theory, MemberData(nameof(ManySeeds))]
    public void Ranges_add_up(int seed)
    {
        Random random = new(seed);
        PersistentBitset bitset = new(new TestMetadata().Transactions);
        ulong root = bitset.CreateEmpty(BitCount);
        bool[] model = new bool[BitCount];
        for (int i = 0; i < 20; i++)
        {
            uint begin = (uint)random.Next((int)BitCount);
            uint end = begin + (uint)random.Next((int)(BitCount - begin) >> random.Next(16)) + 1;
            root = bitset.SetRange(root, begin, end);
            Array.Fill(model, true, (int)begin, (int)(end - begin));
        }

        for (uint bit = 0; bit < BitCount; bit++) Assert.Equal(model[bit], bitset.Test(root, bit));
    }

    [Fact]
    public void Range_behind_the_end_is_refused()
    {
        PersistentBitset bitset = new(new TestMetadata().Transactions);
        ulong root = bitset.CreateEmpty(64);
        Assert.Throws<MetadataCorruptException>(() => bitset.SetRange(root, 60, 65));
    }
}
