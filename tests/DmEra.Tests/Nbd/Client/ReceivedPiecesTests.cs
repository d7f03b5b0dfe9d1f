using DmEra.Nbd.Client;

namespace DmEra.Tests.Nbd.Client;

public sealed class ReceivedPiecesTests
{
    private const int Length = 64;

    [Theory, MemberData(nameof(Seeds.For), 20, MemberType = typeof(Seeds))]
    public void Are_whole_just_when_every_byte_came_once(int seed)
    {
        Random random = new(seed);
        for (int run = 0; run < 200; run++)
        {
            ReceivedPieces pieces = new();
            bool[] model = new bool[Length];
            while (!pieces.IsWhole(Length))
            {
                int start = random.Next(Length);
                int end = random.Next(start, Math.Min(start + 16, Length)) + 1;
                bool isNew = !model.AsSpan(start..end).Contains(true);
                Assert.Equal(isNew, pieces.TryAdd(start, end));
                if (isNew) model.AsSpan(start..end).Fill(true);
            }

            Assert.DoesNotContain(false, model);
            Assert.False(pieces.TryAdd(random.Next(Length), Length));
        }
    }

    [Fact]
    public void Of_nothing_are_whole_when_nothing_came()
    {
        ReceivedPieces pieces = new();
        Assert.True(pieces.IsWhole(0));
        Assert.False(pieces.IsWhole(1));
        Assert.True(pieces.TryAdd(0, 1));
        Assert.False(pieces.IsWhole(0));
        pieces.Clear();
        Assert.True(pieces.IsWhole(0));
    }
}
