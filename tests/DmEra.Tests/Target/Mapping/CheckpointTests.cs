using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

/// <summary>
/// A checkpoint is a barrier. dm-era's is not: a write that was marked in the old era may reach the origin after the
/// checkpoint returned; a copy of the origin made then has the old bytes, and "written since the new era" misses it.
/// </summary>
public class CheckpointTests
{
    [Fact]
    public void Checkpoint_returns_only_when_the_writes_of_the_old_era_have_completed()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        using Gate origin = new();
        era.Origin.Before = _ => origin.Pass();

        Background write = Background.Run(() => era.Write(3));
        origin.UntilArrived();
        Background checkpoint = Background.Run(() => era.Target.Checkpoint());
        era.Threads.UntilWaiting(2);        // the worker, with nothing to do, and the checkpoint

        Assert.False(checkpoint.IsDone);
        origin.Open();
        checkpoint.Join();
        write.Join();
        Assert.Equal([3], era.WrittenSince(1));
        Assert.Empty(era.WrittenSince(2));
    }

    [Fact]
    public void Checkpoint_waits_for_writes_of_the_old_era_only()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        era.Target.Checkpoint();
        using Gate origin = new();
        era.Origin.Before = operation =>
        {
            if (operation.Call == DeviceCall.Read) origin.Pass();
        };

        Background read = Background.Run(() => era.Target.Device.Read(0, new byte[512]));
        origin.UntilArrived();
        Assert.Equal(3u, era.Target.Checkpoint());      // a read changes nothing
        origin.Open();
        read.Join();
    }

    [Fact]
    public void Write_that_waits_for_its_mark_across_a_checkpoint_is_recorded_in_the_new_era()
    {
        using TestEra era = TestEra.Active();
        using Gate commit = new();
        using Gate origin = new();
        int heldFlushes = 1;
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush && Interlocked.Decrement(ref heldFlushes) == 0) commit.Pass();
        };

        // The worker is held in the checkpoint's commit when the write enters, still in era 1.
        Background checkpoint = Background.Run(() => era.Target.Checkpoint());
        commit.UntilArrived();
        era.Origin.Before = _ => origin.Pass();
        Background write = Background.Run(() => era.Write(3));
        era.Threads.UntilWaiting(2);        // checkpoint and write wait for the worker
        commit.Open();

        origin.UntilArrived();              // marked, on its way to the origin
        era.Threads.UntilWaiting(2);        // the worker has nothing to do; the checkpoint waits for the write
        Assert.False(checkpoint.IsDone);
        origin.Open();
        write.Join();
        checkpoint.Join();
        Assert.Equal([3], era.WrittenSince(2));
    }

    [Fact]
    public void Checkpoints_take_turns()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        using Gate origin = new();
        era.Origin.Before = _ => origin.Pass();
        Background write = Background.Run(() => era.Write(3));
        origin.UntilArrived();

        uint first = 0, second = 0;
        Background one = Background.Run(() => first = era.Target.Checkpoint());
        era.Threads.UntilWaiting(2);
        Background two = Background.Run(() => second = era.Target.Checkpoint());
        era.Threads.UntilWaiting(3);

        origin.Open();
        write.Join();
        one.Join();
        two.Join();
        Assert.Equal((2u, 3u), (first, second));
    }

    [Fact]
    public void Checkpoint_of_an_era_without_writes_begins_the_next_one()
    {
        using TestEra era = TestEra.Active();
        Assert.Equal(2u, era.Target.Checkpoint());
        Assert.Equal(3u, era.Target.Checkpoint());
        Assert.Equal(3u, era.Target.Status.CurrentEra);
    }

    [Fact]
    public void Block_is_marked_again_in_every_era_that_writes_it()
    {
        using TestEra era = TestEra.Active();
        for (uint number = 1; number <= 5; number++)
        {
            era.Write(9);
            Assert.Equal([9], era.WrittenSince(number));
            era.Target.Checkpoint();
            Assert.Empty(era.WrittenSince(number + 1));
        }
    }

    [Fact]
    public void Era_counter_does_not_wrap()
    {
        using TestEra source = TestEra.Active();
        source.Target.Dispose();
        ProbeDevice metadata = new(MetadataImage.WithCurrentEra(source.Metadata.ToArray(), uint.MaxValue - 2));
        using TestEra era = new(1024, metadata, source.Origin);

        era.Target.Resume();
        era.Write(1);
        Assert.Equal(uint.MaxValue, era.Target.Checkpoint());
        era.Write(2);
        EraTargetException refusal = Assert.Throws<EraTargetException>(() => era.Target.Checkpoint());
        Assert.Equal(Errno.EOVERFLOW, refusal.Errno);
        Assert.Throws<EraTargetException>(era.Target.TakeMetadataSnapshot);

        era.Write(3);
        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Equal([2, 3], era.WrittenSince(uint.MaxValue));
        era.Target.Suspend();
        Assert.Equal(Errno.EOVERFLOW, Assert.Throws<EraTargetException>(era.Target.Resume).Errno);
        Assert.Equal([2, 3], era.WrittenSince(uint.MaxValue));
    }
}
