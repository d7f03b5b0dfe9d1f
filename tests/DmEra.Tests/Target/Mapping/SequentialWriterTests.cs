using DmEra.Devices;

namespace DmEra.Tests.Target.Mapping;

/// <summary>Marks ahead of a sequential writer of a whole device.</summary>
public class SequentialWriterTests
{
    private const int Ahead = 16;

    [Fact]
    public void It_goes_on_among_marked_blocks_while_the_next_are_being_marked()
    {
        using TestEra era = Active();
        using Gate commit = new();
        era.Write(0, 1, 2, 3);      // four more are marked by now
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush) commit.Pass();
        };
        era.Write(4, 5, 6);         // half of them: a commit begins, and nobody waits for it
        commit.UntilArrived();
        era.Write(7);
        Background overtaking = Background.Run(() => era.Write([.. Enumerable.Range(8, 16)]));
        era.Threads.UntilWaiting(1);
        Assert.Equal(Enumerable.Range(0, 8), era.WrittenSince(1));
        commit.Open();
        overtaking.Join();

        Assert.Equal(Enumerable.Range(0, 24), era.WrittenSince(1).Take(24));
    }

    [Fact]
    public void Overtaking_a_commit_it_waits_for_that_one_and_not_for_the_next()
    {
        using TestEra era = Active();
        using Gate commit = new();
        using Gate next = new();
        era.Write(0, 1, 2, 3);
        int flushes = 0;
        era.Metadata.Before = operation =>
        {
            if (operation.Call != DeviceCall.Flush) return;
            flushes++;
            if (flushes == 1) commit.Pass();
            if (flushes == 3) next.Pass();      // the superblock's was the second
        };
        era.Write(4, 5, 6);
        commit.UntilArrived();
        era.Write(7);
        Background overtaking = Background.Run(() => era.Write(8));
        era.Threads.UntilWaiting(1);
        commit.Open();
        next.UntilArrived();
        overtaking.Join();
        next.Open();
    }

    [Fact]
    public void No_write_reaches_the_origin_before_its_mark_is_durable()
    {
        using TestEra era = Active();
        Random random = new(1);
        era.Origin.Before = operation =>
        {
            if (operation.Call != DeviceCall.Write) return;
            uint[] eras = EraAudit.Read(era.Metadata.AfterPowerCut(random)).LastWritten();
            Assert.NotEqual(0u, eras[operation.Offset / TestEra.BlockBytes]);
        };
        for (int block = 0; block < 300; block++) era.Write(block);
    }

    [Fact]
    public void Marks_ahead_end_with_the_era()
    {
        using TestEra era = Active();
        era.Write([.. Enumerable.Range(100, 100)]);
        uint next = era.Target.Checkpoint();
        era.Write(500);
        Assert.Equal([500], era.WrittenSince(next));
    }

    [Fact]
    public void A_writer_that_goes_on_after_a_checkpoint_is_known_at_once()
    {
        using TestEra era = Active();
        era.Write([.. Enumerable.Range(100, 100)]);
        uint next = era.Target.Checkpoint();
        era.Write(200);
        Assert.Equal([200, 201], era.WrittenSince(next));
    }

    [Fact]
    public void A_suspended_device_marks_nothing_that_was_asked_for_before()
    {
        using TestEra era = Active();
        using Gate commit = new();
        era.Write(0, 1, 2, 3);
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush) commit.Pass();
        };
        Background other = Background.Run(() => era.Write(500));
        commit.UntilArrived();
        era.Write(4, 5, 6);         // asks for marks, while a commit is held up
        Background suspending = Background.Run(era.Target.Suspend);
        commit.Open();
        other.Join();
        suspending.Join();
        era.Target.Resume();
        uint next = era.Target.Status.CurrentEra;
        Assert.Empty(era.WrittenSince(next));

        era.Write(7);
        Assert.Equal([7, 8], era.WrittenSince(next));     // what it wrote before does not count
    }

    [Fact]
    public void A_device_that_has_shrunk_is_marked_up_to_its_end()
    {
        using TestEra era = Active();
        era.Write([.. Enumerable.Range(0, 200)]);
        era.Target.Resize(202 * TestEra.BlockSectors);
        uint next = era.Target.Status.CurrentEra;
        era.Write(200);
        Assert.Equal([200, 201], era.WrittenSince(next));
        era.Target.Resize(220 * TestEra.BlockSectors);
        next = era.Target.Status.CurrentEra;
        era.Write(201);
        Assert.Equal(Enumerable.Range(201, 19), era.WrittenSince(next));      // what was gained counts, too
    }

    [Fact]
    public void A_failed_commit_of_marks_ahead_fails_the_next_first_write_and_no_other()
    {
        using TestEra era = Active();
        era.Write(0, 1, 2, 3);
        era.Metadata.Before = _ => throw new DeviceException("disk broke", Errno.EIO);
        era.Write(4, 5, 6, 7);
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => era.Write(8)).Errno);
        era.Metadata.Before = null;
        era.Target.Suspend();
        era.Target.Resume();
        era.Write(8);
        Assert.Contains(8, era.WrittenSince(era.Target.Status.CurrentEra));
    }

    private static TestEra Active()
    {
        const int blocks = 1024;
        TestEra era = new(blocks, new ProbeDevice(1 << 20), new ProbeDevice(blocks * TestEra.BlockBytes), Ahead);
        era.Target.Resume();
        return era;
    }
}
