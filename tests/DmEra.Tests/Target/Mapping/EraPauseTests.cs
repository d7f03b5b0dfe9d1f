using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class EraPauseTests
{
    [Fact]
    public void Paused_device_goes_on_in_a_new_era_when_the_pause_ends()
    {
        using TestEra era = TestEra.Active();
        era.Write(1);
        EraPause pause = era.Target.Pause();
        Assert.Equal((TargetState.Paused, 1u), (era.Target.State, pause.LastEra));
        Background write = Background.Run(() => era.Write(2));
        era.Threads.UntilWaiting(2);

        pause.End();
        write.Join();
        Assert.Equal((TargetState.Active, 2u), (era.Target.State, era.Target.Status.CurrentEra));
        Assert.Equal([2], era.WrittenSince(2));
    }

    [Fact]
    public void Of_many_that_ask_at_once_one_gets_the_pause()
    {
        using TestEra era = TestEra.Active();
        int granted = 0;
        Background[] all = [.. Enumerable.Range(0, 6).Select(_ => Background.Run(() =>
        {
            try
            {
                era.Target.Pause();
                Interlocked.Increment(ref granted);
            }
            catch (EraTargetException refusal) when (refusal.Errno == Errno.EINVAL)
            {
                // Somebody else has it.
            }
        }))];

        Assert.All(all, one => one.Join());
        Assert.Equal(1, granted);
    }

    [Fact]
    public void Suspended_device_is_not_paused()
    {
        using TestEra era = new();
        Assert.Equal(Errno.EINVAL, Assert.Throws<EraTargetException>(() => era.Target.Pause()).Errno);
    }

    [Fact]
    public void Suspend_during_a_pause_outlasts_it()
    {
        using TestEra era = TestEra.Active();
        EraPause pause = era.Target.Pause();
        era.Target.Suspend();
        pause.End();
        Assert.Equal((TargetState.Suspended, 1u), (era.Target.State, era.Target.Status.CurrentEra));

        era.Target.Resume();
        Assert.Equal((TargetState.Active, 2u), (era.Target.State, era.Target.Status.CurrentEra));
    }

    [Fact]
    public void Device_that_is_suspended_and_resumed_during_a_pause_goes_on_when_it_ends()
    {
        using TestEra era = TestEra.Active();
        EraPause pause = era.Target.Pause();
        era.Target.Suspend();
        Assert.Equal(Errno.EINVAL, Assert.Throws<EraTargetException>(era.Target.Resume).Errno);
        Assert.Equal(TargetState.Paused, era.Target.State);

        pause.End();
        Assert.Equal(TargetState.Active, era.Target.State);
    }

    [Fact]
    public void Device_whose_origin_got_shorter_during_a_pause_waits_until_it_is_as_long_again()
    {
        using TempFolder folder = new();
        string origin = folder.Sparse("origin", 64 * TestEra.BlockBytes);
        EraTable table = new(0, 64 * TestEra.BlockSectors, folder.Sparse("meta", 1 << 20), origin, TestEra.BlockSectors);
        using EraTarget target = EraTarget.Create(table, new EraTargetOptions());
        target.Resume();
        EraPause pause = target.Pause();
        Oracle.Run("truncate", $"--size={63 * TestEra.BlockBytes}", origin).AssertSuccess();

        Assert.Throws<EraTargetException>(pause.End);
        Assert.Equal(TargetState.Resuming, target.State);
        Assert.Contains("has 504 sectors", target.FailureReason, StringComparison.Ordinal);

        Oracle.Run("truncate", $"--size={64 * TestEra.BlockBytes}", origin).AssertSuccess();
        target.Device.Write(63 * TestEra.BlockBytes, new byte[512]);
        target.Resume();
        Assert.Equal(TargetState.Active, target.State);
    }

    [Fact]
    public void Fault_of_the_origin_while_nothing_is_written_does_not_keep_the_device_from_going_on()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        EraPause pause = era.Target.Pause();
        era.Origin.Before = _ => throw new DeviceException("path is being switched", Errno.EIO);
        Assert.Throws<DeviceException>(era.Origin.Flush);

        pause.End();
        era.Origin.Before = null;
        Assert.Equal((TargetState.Active, 2u), (era.Target.State, era.Target.Checkpoint() - 1));
    }

    [Fact]
    public void Log_that_fails_stops_nothing()
    {
        using ProbeDevice metadata = new(1 << 20);
        EraTargetOptions options = new() { Log = _ => throw new InvalidOperationException("no log") };
        using EraTarget target = EraTarget.Create(new EraTable(0, 1024, "meta", "origin", 8), metadata, new ProbeDevice(1 << 20), options);
        target.Resume();
        EraPause pause = target.Pause();
        FailCommits(metadata, times: 3);

        Assert.Throws<EraTargetException>(pause.End);
        target.Device.Write(0, new byte[512]);
        target.Resume();
        Assert.Equal(TargetState.Active, target.State);
    }

    [Fact]
    public void Nobody_else_ends_a_pause()
    {
        using TestEra era = TestEra.Active();
        EraPause pause = era.Target.Pause();
        Assert.Equal(Errno.EINVAL, Assert.Throws<EraTargetException>(era.Target.Resume).Errno);
        Assert.Equal(TargetState.Paused, era.Target.State);

        pause.End();
        using EraPause next = era.Target.Pause();
        pause.End();
        pause.Dispose();
        Assert.Equal(TargetState.Paused, era.Target.State);
    }

    [Fact]
    public void End_of_a_pause_is_tried_until_the_device_goes_on()
    {
        using TestEra era = TestEra.Active();
        EraPause pause = era.Target.Pause();
        FailCommits(era.Metadata, times: 3);

        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(pause.End).Errno);
        era.Write(5);       // waits until the device goes on
        era.Target.Resume();

        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Null(era.Target.FailureReason);
        Assert.Contains("goes on", era.Logged);
    }

    [Fact]
    public void Device_that_cannot_go_on_says_so_and_why()
    {
        using TestEra era = TestEra.Active();
        FailCommits(era.Metadata, times: int.MaxValue);
        era.Target.Pause().Dispose();

        Assert.Equal(TargetState.Resuming, era.Target.State);
        Assert.Contains("disk broke", era.Target.FailureReason, StringComparison.Ordinal);
        era.Metadata.Before = null;
        era.Write(5);
        era.Target.Resume();
        Assert.Equal(TargetState.Active, era.Target.State);
    }

    [Fact]
    public void Device_that_cannot_go_on_can_be_suspended_and_stopped()
    {
        using TestEra era = TestEra.Active();
        FailCommits(era.Metadata, times: int.MaxValue);
        era.Target.Pause().Dispose();
        era.Target.Suspend();
        Assert.Equal(TargetState.Suspended, era.Target.State);

        era.Metadata.Before = null;
        era.Target.Resume();
        FailCommits(era.Metadata, times: int.MaxValue);
        era.Target.Pause().Dispose();
        Background write = Background.Run(() => Assert.Equal(Errno.ESHUTDOWN, Assert.Throws<DeviceException>(() => era.Write(5)).Errno));
        era.Target.Dispose();
        write.Join();
        era.Metadata.Before = null;
    }

    [Fact]
    public void Device_that_is_stopped_during_a_pause_stays_stopped()
    {
        using TestEra era = TestEra.Active();
        EraPause pause = era.Target.Pause();
        era.Target.Dispose();

        // Nobody is told that it goes on.
        Assert.Equal(Errno.ESHUTDOWN, Assert.Throws<EraTargetException>(pause.End).Errno);
        pause.Dispose();
        Assert.Equal(TargetState.Suspended, era.Target.State);
    }

    [Fact]
    public void Resize_that_fails_both_ways_is_tried_until_the_device_goes_on_as_it_was()
    {
        using TestEra era = TestEra.Active();
        era.Write(5);
        int commits = 0;
        era.Metadata.Before = operation =>
        {
            // The first one archives the era; those after it are of the new length, and of the old one.
            if (operation.Call == DeviceCall.Flush && ++commits is > 2 and < 8) throw new DeviceException("disk broke", Errno.EIO);
        };

        Assert.Throws<EraTargetException>(() => era.Target.Resize(1000 * TestEra.BlockSectors));
        era.Write(1023);
        era.Target.Resume();
        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Equal(1024L * TestEra.BlockBytes, era.Target.Device.Length);
    }

    // The metadata cannot be flushed so often.
    private static void FailCommits(ProbeDevice metadata, int times) => metadata.Before = operation =>
    {
        if (operation.Call == DeviceCall.Flush && Interlocked.Decrement(ref times) >= 0) throw new DeviceException("disk broke", Errno.EIO);
    };
}
