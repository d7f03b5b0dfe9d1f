using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

public sealed class KeySearchTests
{
    [Fact]
    public void Every_search_agrees_with_looking_at_each_key()
    {
        Random random = new(1);
        for (int count = 0; count < 70; count++)
        {
            ulong[] keys = [.. Enumerable.Range(0, count).Select(_ => (ulong)random.Next(200)).Distinct().Order()];
            ReadOnlySpan<Le64> fields = [.. keys.Select(key => (Le64)key)];
            for (ulong key = 0; key < 202; key++)
            {
                int lowerBound = Array.FindLastIndex(keys, other => other <= key);
                Assert.Equal(lowerBound, fields.LowerBound(key));
                Assert.Equal(Array.IndexOf(keys, key), fields.Find(key));
                Assert.Equal(Math.Max(lowerBound, 0), fields.ChildFor(key));
            }
        }
    }

    [Theory]
    [InlineData(10, 21, true), InlineData(10, 0, true), InlineData(0, 0, true)]
    [InlineData(11, 0, false), InlineData(10, 20, false), InlineData(0, 5, false)]
    public void Keys_lie_within_a_range_that_ends_before_its_end(ulong from, ulong to, bool expected)
    {
        ReadOnlySpan<Le64> keys = [10UL, 20UL];

        Assert.Equal(expected, keys.LieWithin(from, to));
        Assert.True(ReadOnlySpan<Le64>.Empty.LieWithin(from, to));
    }

    [Fact]
    public void Keys_are_compared_as_unsigned_numbers()
    {
        ReadOnlySpan<Le64> keys = [0UL, 1UL, ulong.MaxValue];

        Assert.Equal(1, keys.LowerBound(ulong.MaxValue - 1));
        Assert.Equal(2, keys.Find(ulong.MaxValue));
    }
}
