using DmEra.PersistentData.Bitsets;

namespace DmEra.Tests.PersistentData.Bitsets;

public sealed class BlockBitsTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 63)]
    [InlineData(7, 3)]
    [InlineData(8, 64)]
    [InlineData(64, 0)]
    [InlineData(1018, 1018)]
    [InlineData(1018, 32576 - 1018)]
    public void Bits_are_set_for_eras_not_below_the_limit(int count, int at)
    {
        Random random = new(count + at);
        uint[] eras = [.. Enumerable.Range(0, count).Select(_ => (uint)random.Next(4))];
        ulong[] bits = new ulong[(at + count + 63) / 64];

        BlockBits.SetWhereAtLeast(eras, 2, bits, at);

        Assert.Equal(
            Enumerable.Range(0, bits.Length * 64).Select(i => i >= at && i < at + count && eras[i - at] >= 2),
            Enumerable.Range(0, bits.Length * 64).Select(i => IsSet(bits, i)));
    }

    [Fact]
    public void Eras_above_the_middle_of_the_range_are_not_taken_for_negative()
    {
        ulong[] bits = new ulong[1];

        BlockBits.SetWhereAtLeast([0, 1, int.MaxValue, 0x80000000, uint.MaxValue, 0, 0, 0, 7], 0x80000000, bits, 0);

        Assert.Equal(0b11000UL, bits[0]);
    }

    [Fact]
    public void Next_finds_the_next_bit_of_either_value()
    {
        Random random = new(7);
        ulong[] bits = [0, random.NextUInt64(), ulong.MaxValue, ulong.MaxValue, 0, 1UL << 63, 0];
        foreach (bool value in (bool[])[false, true])
        {
            for (int from = 0; from <= 448; from++)
            {
                foreach (int end in (int[])[from, Math.Min(from + 3, 448), 440, 448])
                {
                    int expected = Enumerable.Range(from, Math.Max(end - from, 0))
                        .Where(i => IsSet(bits, i) == value).DefaultIfEmpty(end).First();
                    Assert.Equal(expected, BlockBits.Next(bits, value, from, end));
                }
            }
        }
    }

    [Theory]
    [InlineData(128, 0b101)]
    [InlineData(66, 0b01)]
    [InlineData(65, 0b01)]
    public void Marks_are_added_as_far_as_they_mean_something(int count, ulong lastWord)
    {
        ulong[] bits = [2, 0, 7];

        BlockBits.AddMarks([ulong.MaxValue - 2, 0b101], count, bits);

        Assert.Equal([ulong.MaxValue, lastWord, 7], bits);
    }

    [Fact]
    public void Eras_of_marked_blocks_are_raised_and_never_lowered()
    {
        uint[] eras = new uint[66];
        eras[1] = 9;

        BlockBits.RaiseWhereMarked([0b111UL | 1UL << 63, 0b110], 5, eras);

        Assert.Equal([5, 9, 5, .. new uint[60], 5, 0, 5], eras);
    }

    private static bool IsSet(ulong[] bits, int i) => (bits[i / 64] >> (i % 64) & 1) != 0;
}

file static class RandomExtensions
{
    public static ulong NextUInt64(this Random random) => (ulong)random.NextInt64() ^ ((ulong)random.NextInt64() << 32);
}
