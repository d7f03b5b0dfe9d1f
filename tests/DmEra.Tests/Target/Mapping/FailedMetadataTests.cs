using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

/// <summary>
/// Faults of the metadata device. dm-era regards a commit as done before it knows whether the device took it, and goes
/// on; it may then use blocks anew that the superblock on disk still needs. Here nothing is changed any more until the
/// metadata has been opened anew, and what was acknowledged is there then.
/// </summary>
public class FailedMetadataTests
{
    private const int Blocks = 3000;

    [Fact]
    public void Failed_commit_fails_the_device_until_it_is_opened_anew()
    {
        using TestEra era = TestEra.Active();
        era.Write(1);
        FailMetadata(era);
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => era.Write(2)).Errno);

        Assert.Equal(TargetState.Failed, era.Target.State);
        Assert.Contains("disk broke", era.Target.FailureReason, StringComparison.Ordinal);
        Assert.Equal("0 8192 era Fail", era.Target.Status.ToString());
        Assert.Contains(era.Logged, line => line.Contains("disk broke", StringComparison.Ordinal));

        // The metadata is not touched again, even if it could be.
        era.Metadata.Before = _ => Assert.Fail("the metadata was touched");
        era.Write(1);
        era.Target.Device.Read(0, new byte[512]);
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => era.Write(2)).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(() => era.Target.Checkpoint()).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(era.Target.TakeMetadataSnapshot).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(era.Target.DropMetadataSnapshot).Errno);
        EraTargetException refusal = Assert.Throws<EraTargetException>(era.Target.Resume);
        Assert.Contains("suspend and resume", refusal.Message, StringComparison.Ordinal);
        era.Target.Suspend();
        Assert.Equal(TargetState.Suspended, era.Target.State);
        Assert.NotNull(era.Target.FailureReason);

        era.Metadata.Before = null;
        era.Target.Resume();
        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Null(era.Target.FailureReason);
        Assert.Contains(1, era.WrittenSince(1));
        era.Write(2);
        Assert.Equal([2], era.WrittenSince(2));
    }

    [Fact]
    public void Superblock_that_a_failed_flush_may_have_lost_is_made_stable_before_anything_is_built_on_it()
    {
        using TestEra era = TestEra.Active();
        int flushes = 0;
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush && ++flushes == 2) throw new DeviceException("disk", Errno.EIO);
        };
        Assert.Throws<EraTargetException>(() => era.Target.Checkpoint());   // its superblock is written, perhaps
        era.Target.Suspend();

        List<DeviceOperation> changes = [];
        era.Metadata.Before = operation =>
        {
            if (operation.Call is not DeviceCall.Read) changes.Add(operation);
        };
        era.Target.Resume();
        Assert.Equal(new DeviceOperation(DeviceCall.Write, 0, 4096), changes[0]);
        Assert.Equal(DeviceCall.Flush, changes[1].Call);
    }

    [Fact]
    public void Device_that_still_fails_stays_suspended_and_can_be_resumed_later()
    {
        using TestEra era = TestEra.Active();
        FailMetadata(era);
        Assert.Throws<DeviceException>(() => era.Write(2));
        era.Target.Suspend();
        Assert.Throws<EraTargetException>(era.Target.Resume);
        Assert.Equal(TargetState.Suspended, era.Target.State);
        era.Metadata.Before = null;
        era.Target.Resume();
        era.Write(2);
    }

    [Fact]
    public void Failed_device_can_be_stopped()
    {
        TestEra era = TestEra.Active();
        FailMetadata(era);
        Assert.Throws<DeviceException>(() => era.Write(2));
        era.Target.Dispose();
        era.Metadata.Before = null;
        era.Audit();
    }

    [Fact]
    public void History_is_readable_after_a_failure()
    {
        using TestEra era = TestEra.Active();
        era.Write(1);
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush) throw new DeviceException("disk broke", Errno.EIO);
        };
        Assert.Throws<DeviceException>(() => era.Write(2));
        using EraHistory history = era.Target.OpenHistory();
        Assert.Equal([new BlockRange(1, 2)], history.WrittenSince(1));
    }

    [Theory]
    [InlineData(DeviceCall.Read)]       // what is there cannot be read
    [InlineData(DeviceCall.Write)]      // it cannot be made sure that it is on the disk
    [InlineData(DeviceCall.Flush)]
    public void Device_whose_metadata_fails_when_it_is_resumed_stays_suspended(DeviceCall failing)
    {
        using TestEra era = TestEra.Active();
        era.Write(1);
        era.Target.Suspend();
        era.Metadata.Before = operation =>
        {
            if (operation.Call == failing) throw new DeviceException("disk broke", Errno.EIO);
        };

        Assert.Equal(Errno.EIO, Assert.Throws<EraTargetException>(era.Target.Resume).Errno);
        Assert.Equal(TargetState.Suspended, era.Target.State);
        Assert.Contains("disk broke", era.Target.FailureReason, StringComparison.Ordinal);
        Assert.Contains("disk broke", Assert.Single(era.Logged), StringComparison.Ordinal);

        era.Metadata.Before = null;
        era.Target.Resume();
        Assert.Equal([1], era.WrittenSince(1));
    }

    [Fact]
    public void Failed_metadata_is_logged_once_and_not_touched_when_the_device_is_suspended()
    {
        using TestEra era = TestEra.Active();
        FailMetadata(era);
        Assert.Throws<DeviceException>(() => era.Write(2));
        era.Metadata.Before = _ => Assert.Fail("the metadata was touched");

        era.Target.Suspend();

        era.Metadata.Before = null;
        Assert.StartsWith("the metadata failed: ", Assert.Single(era.Logged), StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_that_throws_does_not_stop_the_device()
    {
        using ProbeDevice metadata = new(1 << 20);
        using ProbeDevice origin = new(1 << 20);
        EraTargetOptions options = new() { Log = _ => throw new InvalidOperationException("a bug of the embedder's") };
        using EraTarget target = EraTarget.Create(new EraTable(0, 2048, "meta", "origin", 8), metadata, origin, options);
        target.Resume();
        metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Write) throw new DeviceException("disk broke", Errno.EIO);
        };
        Assert.Throws<DeviceException>(() => target.Device.Write(0, new byte[512]));

        metadata.Before = null;
        target.Suspend();
        target.Resume();
        target.Device.Write(0, new byte[512]);
    }

    [Fact]
    public void Era_that_cannot_be_archived_is_logged_and_archived_when_the_device_is_resumed()
    {
        using TestEra era = TestEra.Active();
        era.Write(2);
        FailMetadata(era);
        era.Target.Suspend();
        Assert.Contains(era.Logged, line => line.StartsWith("the era is left open: ", StringComparison.Ordinal));

        era.Metadata.Before = null;
        era.Target.Resume();
        Assert.Equal([2], era.WrittenSince(1));
        Assert.Equal(2u, era.Target.Status.CurrentEra);
    }

    [Fact]
    public void Damage_in_the_way_of_digestion_stops_only_that()
    {
        // As the kernel does: a broken old writeset must not keep the device from recording new writes.
        using TestEra source = TestEra.Active();
        source.Write(1);
        ulong bitset = source.Audit().OpenWriteset.Root;
        byte[] image = source.Metadata.ToArray();
        ProbeDevice damaged = new(MetadataImage.WithDamage(image, bitset));
        using TestEra era = new(1024, damaged, source.Origin) { IsDamaged = true };
        era.Target.Resume();
        era.Threads.UntilWaiting(1);

        era.Write(5);
        era.Threads.UntilWaiting(1);
        Assert.StartsWith("digestion stops until the next era: ", Assert.Single(era.Logged), StringComparison.Ordinal);
        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Equal(3u, era.Target.Checkpoint());
        Assert.Equal(TargetState.Active, era.Target.State);
    }

    [Theory]
    [InlineData(DeviceCall.Read)]
    [InlineData(DeviceCall.Write)]
    [InlineData(DeviceCall.Flush)]
    public void Fault_at_any_operation_loses_no_acknowledged_mark(DeviceCall kind)
    {
        for (int k = 1; ; k++)
        {
            using TestEra era = new(Blocks, 300);
            int left = k;
            era.Metadata.Before = operation =>
            {
                if (operation.Call == kind && Interlocked.Decrement(ref left) == 0) throw new DeviceException("disk broke", Errno.EIO);
            };
            uint[] acknowledged = Workload(era, seed: k);
            era.Metadata.Before = null;

            era.Target.Suspend();
            era.Target.Resume();
            uint[] recorded = era.Audit().LastWritten();
            for (int block = 0; block < Blocks; block++)
                Assert.True(recorded[block] >= acknowledged[block], $"fault {k}: block {block} was written in {acknowledged[block]}");
            Assert.Equal(TargetState.Active, era.Target.State);
            if (left > 0) break;
        }
    }

    [Fact]
    public void Power_cut_at_any_write_loses_no_acknowledged_mark()
    {
        for (int k = 1; ; k++)
        {
            using TestEra era = new(Blocks, 300);
            int left = k;
            byte[]? after = null;
            era.Metadata.Before = operation =>
            {
                if (operation.Call is DeviceCall.Write or DeviceCall.Flush && Interlocked.Decrement(ref left) <= 0)
                {
                    after ??= era.Metadata.AfterPowerCut(new Random(k));
                    throw new DeviceException("no power", Errno.EIO);
                }
            };
            uint[] acknowledged = Workload(era, seed: k);
            if (after == null) break;
            if (!after.AsSpan(0, 4096).ContainsAnyExcept((byte)0)) continue;

            uint[] recorded = EraAudit.Read(after).LastWritten();
            for (int block = 0; block < recorded.Length; block++)
                Assert.True(recorded[block] >= acknowledged[block], $"cut {k}: block {block} was written in {acknowledged[block]}");
            using TestEra again = new(Blocks, new ProbeDevice(after), era.Origin);
            again.Target.Resume();
            again.Write(1);
            again.Audit();
        }
    }

    /// <summary>A bit of everything, faults or not.</summary>
    /// <returns>For each block the era of the last write that succeeded.</returns>
    private static uint[] Workload(TestEra era, int seed)
    {
        uint[] acknowledged = new uint[Blocks];
        Random random = new(seed);
        Try(era.Target.Resume);
        for (int i = 0; i < 12; i++)
        {
            for (int k = 0; k < 3; k++)
            {
                int block = random.Next(Blocks);
                uint current = era.Target.Status.CurrentEra;
                if (era.Target.State == TargetState.Suspended) continue;
                if (Try(() => era.Write(block))) acknowledged[block] = current;
            }

            if (i == 3) Try(era.Target.TakeMetadataSnapshot);
            else if (i == 8) Try(era.Target.DropMetadataSnapshot);
            else if (i == 10) Try(era.Target.Suspend);
            else if (i == 11) Try(era.Target.Resume);
            else Try(() => era.Target.Checkpoint());
        }

        return acknowledged;
    }

    private static bool Try(Action action)
    {
        try { action(); }
        catch (EraTargetException) { return false; }
        catch (DeviceException) { return false; }

        return true;
    }

    private static void FailMetadata(TestEra era) =>
        era.Metadata.Before = _ => throw new DeviceException("disk broke", Errno.EIO);
}
