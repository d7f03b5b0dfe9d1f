using DmEra.Target.History;
using DmEra.Tests.Tools;

namespace DmEra.Tests.Target.History;

/// <summary>Metadata most of whose array blocks are one says what it would say if they were many.</summary>
public sealed class SharedHistoryTests
{
    [Theory]
    [InlineData(1_200_000, 1)]
    [InlineData(1_042_432, 2)]
    [InlineData(2_500_001, 3)]
    [InlineData(40_000, 4)]
    public void Lists_and_eras_are_those_of_each_block(uint nrBlocks, int seed)
    {
        SharedImage image = SharedImage.Make(nrBlocks, seed);
        using EraHistory history = EraHistory.Open(image.Device);
        uint[] eras = new uint[nrBlocks];
        history.ReadEras(0, eras);

        Assert.True(image.Eras.AsSpan().SequenceEqual(eras));
        for (uint era = 0; era <= SharedImage.CurrentEra; era++)
            Assert.Equal(image.WrittenSince(era), history.WrittenSince(era).Select(run => (run.Begin, run.End)));
    }

    [Fact]
    public void Parts_of_it_are_as_the_whole()
    {
        SharedImage image = SharedImage.Make(1_500_000, 5);
        using EraHistory history = EraHistory.Open(image.Device);
        Random random = new(6);
        for (int i = 0; i < 100; i++)
        {
            int begin = random.Next(image.Eras.Length);
            uint[] part = new uint[random.Next(Math.Min(200_000, image.Eras.Length - begin))];
            history.ReadEras((uint)begin, part);
            Assert.True(image.Eras.AsSpan(begin, part.Length).SequenceEqual(part));

            BlockRange within = new((uint)begin, (uint)(begin + part.Length));
            bool[] written = new bool[part.Length];
            foreach (BlockRange run in history.WrittenSince(6, within)) written.AsSpan((int)(run.Begin - within.Begin), (int)run.Count).Fill(true);
            Assert.Equal(part.Select(era => era >= 6), written);
        }
    }
}
