using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class EraTargetHistoryTests
{
    [Fact]
    public void Reader_that_holds_a_commit_finds_it_unchanged_whatever_follows()
    {
        using TestEra era = TestEra.Active(10_000, 4096);
        Random random = new(1);
        for (int i = 0; i < 5; i++)
        {
            era.Write(random.Next(10_000), random.Next(10_000));
            era.Target.Checkpoint();
        }

        era.Write(77);
        uint[] expected = era.Audit().LastWritten();
        using EraHistory history = era.Target.OpenHistory();
        for (int i = 0; i < 20; i++)
        {
            for (int k = 0; k < 20; k++) era.Write(random.Next(5000));
            era.Target.Checkpoint();
            if (i == 7) era.Target.Resize(5000 * TestEra.BlockSectors);
            if (i == 9) era.Target.Resize(10_000 * TestEra.BlockSectors);
            era.Threads.UntilWaiting(1);
            uint[] eras = new uint[10_000];
            history.ReadEras(0, eras);
            Assert.Equal(expected, eras);
        }

        Assert.Equal((6u, 10_000u), (history.CurrentEra, history.NrBlocks));
    }

    [Fact]
    public void Open_era_is_part_of_the_history()
    {
        using TestEra era = TestEra.Active();
        era.Write(3, 4, 5);
        using EraHistory history = era.Target.OpenHistory();
        Assert.Equal([new BlockRange(3, 6)], history.WrittenSince(1));
    }

    [Fact]
    public void History_is_read_while_suspended_and_across_a_resume()
    {
        using TestEra era = TestEra.Active(1024, 1024);
        era.Write(3);
        era.Target.Suspend();
        using EraHistory history = era.Target.OpenHistory();
        era.Target.Resume();
        for (int i = 0; i < 50; i++)
        {
            era.Write(i);
            era.Target.Checkpoint();
        }

        Assert.Equal([new BlockRange(3, 4)], history.WrittenSince(1));
    }

    [Fact]
    public void Letting_go_of_a_history_twice_lets_go_of_no_other()
    {
        using TestEra era = TestEra.Active(1024, 60);
        era.Write(3);
        using EraHistory kept = era.Target.OpenHistory();
        EraHistory other = era.Target.OpenHistory();
        other.Dispose();
        other.Dispose();

        // The kept one holds back what is freed, until no room is left.
        for (int i = 0; i < 100; i++)
        {
            try { era.Target.Checkpoint(); }
            catch (EraTargetException) { break; }
        }

        Assert.Equal([new BlockRange(3, 4)], kept.WrittenSince(1));
        kept.Dispose();
        era.Write(1);       // frees what was held back
        era.Target.Checkpoint();
    }
}
