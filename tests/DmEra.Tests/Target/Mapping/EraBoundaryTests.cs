using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

/// <summary>Whoever sees the number of an era may copy the origin and ask later what was written since: so every write of an
/// older era must be on the origin, and stable there, before anyone can see the number.</summary>
public class EraBoundaryTests
{
    public static TheoryData<string> Boundaries => ["checkpoint", "message", "snapshot", "suspend and resume", "pause", "resize"];

    [Theory, MemberData(nameof(Boundaries))]
    public void Number_of_an_era_is_seen_only_when_older_writes_are_stable(string boundary)
    {
        using TestEra era = new(1024, 256);
        era.Target.Resume();
        era.Write(3);
        using Gate flush = new();
        era.Origin.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush) flush.Pass();
        };

        Background crossing = Background.Run(() => Cross(era.Target, boundary));
        flush.UntilArrived();
        AssertSeen(era.Target, 1);
        Assert.False(crossing.IsDone);

        flush.Open();
        crossing.Join();
        Assert.Equal(2u, era.Target.Status.CurrentEra);
        Assert.Equal([3], era.WrittenSince(1));
        Assert.Empty(era.WrittenSince(2));
    }

    [Fact]
    public void Number_of_an_era_is_hidden_while_a_write_of_the_older_one_is_on_its_way()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        using Gate origin = new();
        era.Origin.Before = operation =>
        {
            if (operation.Call == DeviceCall.Write) origin.Pass();
        };
        Background late = Background.Run(() => era.Write(3));
        origin.UntilArrived();
        Background checkpoint = Background.Run(() => era.Target.Checkpoint());
        era.Threads.UntilWaiting(2);        // the worker, and the checkpoint

        // The new era's marks are there already, under the number that may be told.
        era.Origin.Before = null;
        era.Write(5);
        AssertSeen(era.Target, 1);
        using (EraHistory history = era.Target.OpenHistory())
        {
            Assert.Equal([new BlockRange(3, 4), new BlockRange(5, 6)], history.WrittenSince(1));
            uint[] eras = new uint[8];
            history.ReadEras(0, eras);
            Assert.Equal(1u, eras[5]);
        }

        origin.Open();
        late.Join();
        checkpoint.Join();
        AssertSeen(era.Target, 2);
        Assert.Equal([5], era.WrittenSince(2));
    }

    [Fact]
    public void Era_whose_older_writes_cannot_be_made_stable_is_never_seen()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        FailFlushes(era.Origin);

        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(() => era.Target.Checkpoint()).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(era.Target.TakeMetadataSnapshot).Errno);
        era.Write(4);

        AssertSeen(era.Target, 1);
        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Equal([3, 4], era.WrittenSince(1));
    }

    [Fact]
    public void Device_whose_origin_cannot_be_flushed_is_not_suspended_and_goes_on()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        FailFlushes(era.Origin);

        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(era.Target.Suspend).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(() => era.Target.Pause()).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(() => era.Target.Resize(2048)).Errno);

        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Contains("the origin failed", era.Target.FailureReason, StringComparison.Ordinal);
        era.Write(4);
        Assert.Equal([3, 4], era.WrittenSince(1));
    }

    [Fact]
    public void Device_whose_origin_cannot_be_flushed_can_be_stopped()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        FailFlushes(era.Origin);

        era.Target.Dispose();

        Assert.Contains("the origin failed", era.Target.FailureReason, StringComparison.Ordinal);
        Assert.Equal(0ul, era.Audit().OpenWriteset.Root);
    }

    [Fact]
    public void Device_is_not_opened_on_an_origin_that_cannot_be_flushed()
    {
        // A program that was killed has left writes in the system's cache, and the number of a later era in the metadata.
        ProbeDevice origin = new(1024 * TestEra.BlockBytes);
        FailFlushes(origin);

        EraTargetException refusal = Assert.Throws<EraTargetException>(() => new TestEra(1024, new ProbeDevice(1 << 20), origin));
        Assert.Equal(Errno.EIO, refusal.Errno);
    }

    [Fact]
    public void Failed_origin_has_no_eras_begun_that_nobody_may_see()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        FailFlushes(era.Origin);
        for (int i = 0; i < 5; i++) Assert.Throws<EraTargetException>(() => era.Target.Checkpoint());
        Assert.InRange(era.Audit().CurrentEra, 1u, 2u);
    }

    private static void Cross(EraTarget target, string boundary)
    {
        switch (boundary)
        {
            case "checkpoint":
                target.Checkpoint();
                break;
            case "message":
                target.Message("checkpoint");
                break;
            case "snapshot":
                target.TakeMetadataSnapshot();
                break;
            case "suspend and resume":
                target.Suspend();
                target.Resume();
                break;
            case "pause":
                target.Pause().End();
                break;
            case "resize":
                target.Resize(1000 * TestEra.BlockSectors);
                break;
        }
    }

    private static void AssertSeen(EraTarget target, uint era)
    {
        Assert.Equal(era, target.Status.CurrentEra);
        Assert.Contains($"era:since-{era}", new EraContexts(target).Names);
        Assert.DoesNotContain($"era:since-{era + 1}", new EraContexts(target).Names);
        using EraHistory history = target.OpenHistory();
        Assert.Equal(era, history.CurrentEra);
        Assert.Throws<EraNotBegunException>(() => history.WrittenSince(era + 1));
    }

    private static void FailFlushes(ProbeDevice origin) => origin.Before = operation =>
    {
        if (operation.Call == DeviceCall.Flush) throw new DeviceException("origin: cannot flush", Errno.EIO);
    };
}
