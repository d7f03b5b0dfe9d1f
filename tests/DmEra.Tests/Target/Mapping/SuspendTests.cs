using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class SuspendTests
{
    [Fact]
    public void Requests_wait_until_the_device_is_resumed()
    {
        using TestEra era = new();
        Background[] requests =
        [
            Background.Run(() => era.Write(1)),
            Background.Run(() => era.Target.Device.Read(0, new byte[512])),
            Background.Run(() => era.Target.Device.Flush()),
            Background.Run(() => era.Target.Device.Trim(0, 512)),
        ];
        era.Threads.UntilWaiting(1 + requests.Length);
        Assert.All(requests, request => Assert.False(request.IsDone));

        era.Target.Resume();
        Assert.All(requests, request => request.Join());
        Assert.Equal([0, 1], era.WrittenSince(1));
    }

    [Fact]
    public void Stopping_while_suspended_fails_those_that_wait()
    {
        using TestEra era = TestEra.Active();
        era.Target.Suspend();
        Background write = Background.Run(() => era.Write(1));
        Background read = Background.Run(() => era.Target.Device.Read(0, new byte[512]));
        era.Threads.UntilWaiting(3);

        era.Target.Dispose();
        Assert.Equal(Errno.ESHUTDOWN, Assert.Throws<DeviceException>(write.Join).Errno);
        Assert.Equal(Errno.ESHUTDOWN, Assert.Throws<DeviceException>(read.Join).Errno);
        Assert.Equal(Errno.ESHUTDOWN, Assert.Throws<DeviceException>(() => era.Write(1)).Errno);
        Assert.Equal(Errno.ESHUTDOWN, Assert.Throws<EraTargetException>(era.Target.Resume).Errno);
        Assert.Empty(era.WrittenSince(1));
    }

    [Theory]
    [InlineData(DeviceCall.Write)]
    [InlineData(DeviceCall.Read)]
    [InlineData(DeviceCall.Flush)]
    public void Suspend_waits_for_the_requests_inside(DeviceCall held)
    {
        using TestEra era = TestEra.Active();
        using Gate origin = new();
        era.Origin.Before = _ => origin.Pass();
        Background request = Background.Run(() =>
        {
            if (held == DeviceCall.Write) era.Write(3);
            else if (held == DeviceCall.Read) era.Target.Device.Read(0, new byte[512]);
            else era.Target.Device.Flush();
        });
        origin.UntilArrived();

        Background suspend = Background.Run(era.Target.Suspend);
        era.Threads.UntilWaiting(2);
        Assert.False(suspend.IsDone);
        Assert.NotEqual(0ul, era.Audit().OpenWriteset.Root);

        origin.Open();
        request.Join();
        suspend.Join();
        Assert.Equal(TargetState.Suspended, era.Target.State);
    }

    [Fact]
    public void Suspend_serves_the_writes_inside_that_wait_for_their_marks()
    {
        using TestEra era = TestEra.Active();
        using Gate commit = new();
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush) commit.Pass();
        };
        Background first = Background.Run(() => era.Write(1));
        commit.UntilArrived();
        Background second = Background.Run(() => era.Write(2));     // its mark is for the next commit
        era.Threads.UntilWaiting(2);
        Background suspend = Background.Run(era.Target.Suspend);
        era.Threads.UntilWaiting(3);

        commit.Open();
        first.Join();
        second.Join();
        suspend.Join();
        Assert.Equal([1, 2], era.WrittenSince(1));
    }

    [Fact]
    public void Suspended_metadata_has_its_era_archived()
    {
        using TestEra era = TestEra.Active();
        era.Write(5);
        era.Target.Suspend();

        EraAudit audit = era.Audit();
        Assert.Equal((1u, 0ul, 1024u), (audit.CurrentEra, audit.OpenWriteset.Root, audit.OpenWriteset.NrBits));
        Assert.True(audit.Writesets[1][5]);
    }

    [Fact]
    public void Resume_begins_a_new_era()
    {
        using TestEra era = TestEra.Active();
        era.Write(5);
        era.Target.Suspend();
        era.Target.Resume();
        era.Write(6);
        Assert.Equal(2u, era.Target.Status.CurrentEra);
        Assert.Equal([6], era.WrittenSince(2));
        Assert.Equal([5, 6], era.WrittenSince(1));
    }

    [Fact]
    public void Resuming_an_active_device_and_suspending_a_suspended_one_change_nothing()
    {
        using TestEra era = TestEra.Active();
        era.Target.Resume();
        Assert.Equal(1u, era.Target.Status.CurrentEra);
        era.Target.Suspend();
        era.Metadata.Before = _ => Assert.Fail("the metadata was touched");
        era.Target.Suspend();
        era.Metadata.Before = null;
    }

    [Fact]
    public void Stopping_an_active_device_archives_its_era()
    {
        using TestEra era = TestEra.Active();
        era.Write(5);
        era.Target.Dispose();
        Assert.Equal(0ul, era.Audit().OpenWriteset.Root);
        Assert.Equal([5], era.WrittenSince(1));
    }

    [Fact]
    public void Device_whose_origin_got_shorter_than_its_table_stays_suspended()
    {
        using TempFolder folder = new();
        string origin = folder.Sparse("origin", 64 * TestEra.BlockBytes);
        EraTable table = new(0, 64 * TestEra.BlockSectors, folder.Sparse("meta", 1 << 20), origin, TestEra.BlockSectors);
        using EraTarget target = EraTarget.Create(table, new EraTargetOptions());
        Truncate(63 * TestEra.BlockBytes);

        EraTargetException refusal = Assert.Throws<EraTargetException>(target.Resume);

        Assert.Contains("has 504 sectors, the table 512", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(TargetState.Suspended, target.State);
        Truncate(64 * TestEra.BlockBytes);
        target.Resume();

        void Truncate(int bytes) => Oracle.Run("truncate", $"--size={bytes}", origin).AssertSuccess();
    }

    [Fact]
    public void Open_era_of_a_crashed_device_is_archived_when_it_comes_back()
    {
        using TestEra crashed = TestEra.Active();
        crashed.Write(5, 900);
        using TestEra era = new(1024, new ProbeDevice(crashed.Metadata.ToArray()), new ProbeDevice(crashed.Origin.ToArray()));

        Assert.Equal(1u, era.Target.Status.CurrentEra);
        era.Target.Resume();
        Assert.Equal(2u, era.Target.Status.CurrentEra);
        Assert.Equal([5, 900], era.WrittenSince(1));
        Assert.Empty(era.WrittenSince(2));
    }

    [Fact]
    public void Status_is_answered_while_suspended_and_messages_are_refused()
    {
        using TestEra era = TestEra.Active();
        era.Target.Suspend();
        Assert.Equal("0 8192 era 8 10/256 1 -", era.Target.Status.ToString());
        Assert.Equal(Errno.EAGAIN, Assert.Throws<EraTargetException>(() => era.Target.Message("checkpoint")).Errno);
        Assert.Equal(Errno.EAGAIN, Assert.Throws<EraTargetException>(era.Target.TakeMetadataSnapshot).Errno);
        Assert.Equal(1u, era.Target.Status.CurrentEra);
    }

    [Fact]
    public void Status_is_answered_while_the_worker_is_busy_and_writes_nothing()
    {
        using TestEra era = TestEra.Active();
        era.Threads.UntilWaiting(1);
        byte[] before = era.Metadata.ToArray();
        using Gate commit = new();
        era.Metadata.Before = _ => commit.Pass();
        for (int i = 0; i < 100; i++) Assert.Equal("0 8192 era 8 10/256 1 -", era.Target.Status.ToString());
        Assert.Equal(before, era.Metadata.ToArray());

        Background write = Background.Run(() => era.Write(1));
        commit.UntilArrived();
        Assert.Equal("0 8192 era 8 10/256 1 -", era.Target.Status.ToString());
        Assert.Equal(TargetState.Active, era.Target.State);
        commit.Open();
        write.Join();
    }

    [Fact]
    public void Metadata_is_left_alone_while_suspended()
    {
        using TestEra era = TestEra.Active();
        for (int i = 0; i < 5; i++)
        {
            era.Write(i);
            era.Target.Checkpoint();
        }

        era.Target.Suspend();
        era.Threads.UntilWaiting(1);
        era.Metadata.Before = _ => Assert.Fail("the metadata was touched");
        Assert.Equal(TargetState.Suspended, era.Target.State);
        _ = era.Target.Status;
        era.Threads.UntilWaiting(1);
        era.Metadata.Before = null;
    }

    [Fact]
    public void What_others_committed_while_the_device_was_suspended_is_read_at_resume()
    {
        using TestEra era = TestEra.Active();
        era.Write(1);
        era.Target.Suspend();
        byte[] changed = MetadataImage.WithCurrentEra(era.Metadata.ToArray(), 77);
        era.Metadata.Write(0, changed.AsSpan(0, 4096));

        era.Target.Resume();
        Assert.Equal(78u, era.Target.Status.CurrentEra);
    }

    [Fact]
    public void Uuid_and_flags_are_kept()
    {
        using TestEra source = TestEra.Active();
        Guid lineage = source.Audit().Uuid;
        Assert.NotEqual(Guid.Empty, lineage);
        source.Target.Dispose();
        byte[] flagged = MetadataImage.WithSuperblock(source.Metadata.ToArray(), superblock => superblock[4] = 1);

        using TestEra era = new(1024, new ProbeDevice(flagged), source.Origin);
        era.Target.Resume();
        era.Write(1);
        Assert.Equal((1u, lineage), (era.Audit().Flags, era.Audit().Uuid));
    }

    [Fact]
    public void Blank_uuid_stays_blank()
    {
        using TestEra source = TestEra.Active();
        source.Target.Dispose();
        byte[] blank = MetadataImage.WithSuperblock(source.Metadata.ToArray(), superblock => superblock[16..32].Clear());

        using TestEra era = new(1024, new ProbeDevice(blank), source.Origin);
        era.Target.Resume();
        Assert.Equal(Guid.Empty, era.Audit().Uuid);
    }
}
