using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class MarkAheadTests
{
    private const uint Ahead = 15;
    private const int Blocks = 1024;

    [Fact]
    public void A_sequential_writer_needs_a_commit_for_many_blocks_only()
    {
        using TestEra era = Active();
        int commits = CountCommits(era, () => era.Write([.. Enumerable.Range(100, 160)]));

        Assert.InRange(commits, 10, 12);
        Assert.Equal(Enumerable.Range(100, 160), era.WrittenSince(1).Take(160));
        Assert.InRange(era.WrittenSince(1).Length, 160, 160 + (int)Ahead);
    }

    [Fact]
    public void A_scattered_writer_marks_what_it_writes_and_nothing_else()
    {
        using TestEra era = Active();
        int[] blocks = [500, 100, 900, 300, 700, 200];
        int commits = CountCommits(era, () => era.Write(blocks));

        Assert.Equal(blocks.Length, commits);
        Assert.Equal(blocks.Order(), era.WrittenSince(1));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2 * 15, true)]
    [InlineData((2 * 15) + 1, false)]
    [InlineData(-15, true)]
    [InlineData(-16, false)]
    public void A_write_near_the_last_one_is_taken_for_sequential(int step, bool isWidened)
    {
        MarkAhead markAhead = new(Ahead);
        markAhead.Widen(new BlockRange(100, 101), Blocks);
        BlockRange blocks = new((uint)(100 + step), (uint)(101 + step));

        BlockRange marked = markAhead.Widen(blocks, Blocks);

        Assert.Equal(isWidened ? blocks with { End = blocks.End + Ahead } : blocks, marked);
    }

    [Fact]
    public void Nothing_is_marked_behind_the_end()
    {
        using TestEra era = Active();
        era.Write(1018, 1019);

        Assert.Equal(Enumerable.Range(1018, 6), era.WrittenSince(1));
    }

    [Fact]
    public void Every_era_is_marked_anew()
    {
        using TestEra era = Active();
        era.Write([.. Enumerable.Range(100, 32)]);
        uint next = era.Target.Checkpoint();
        era.Write([.. Enumerable.Range(100, 32)]);

        Assert.Equal(Enumerable.Range(100, 32), era.WrittenSince(next).Take(32));
    }

    [Fact]
    public void Without_it_each_first_write_marks_its_own_blocks()
    {
        using TestEra era = TestEra.Active();
        era.Write(100, 101);

        Assert.Equal([100, 101], era.WrittenSince(1));
    }

    [Theory, MemberData(nameof(Seeds.For), 20, MemberType = typeof(Seeds))]
    public void What_is_marked_begins_with_what_is_written_and_stays_on_the_device(int seed)
    {
        Random random = new(seed);
        uint ahead = (uint)random.Next(1, 100);
        MarkAhead marks = new(ahead);
        for (int i = 0; i < 1000; i++)
        {
            uint begin = (uint)random.Next(Blocks);
            BlockRange written = new(begin, begin + 1 + (uint)random.Next((int)(Blocks - begin)));
            BlockRange marked = marks.Widen(written, Blocks);

            Assert.Equal(written.Begin, marked.Begin);
            Assert.InRange(marked.End, written.End, Math.Min(Blocks, written.End + ahead));
        }
    }

    [Theory]
    [InlineData(uint.MaxValue)]
    [InlineData(int.MaxValue)]
    public void An_absurd_distance_marks_to_the_end(uint ahead)
    {
        MarkAhead marks = new(ahead);
        marks.Widen(new BlockRange(0, 1), int.MaxValue);

        Assert.Equal(new BlockRange(1, int.MaxValue), marks.Widen(new BlockRange(1, 2), int.MaxValue));
    }

    private static TestEra Active()
    {
        TestEra era = new(Blocks, new ProbeDevice(1 << 20), new ProbeDevice(Blocks * TestEra.BlockBytes), Ahead);
        era.Target.Resume();
        return era;
    }

    private static int CountCommits(TestEra era, Action write)
    {
        int commits = 0;
        era.Metadata.Before = operation => commits += operation is { Call: DeviceCall.Write, Offset: 0 } ? 1 : 0;
        write();
        era.Metadata.Before = null;
        return commits;
    }
}
