using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class MetadataSnapshotTests
{
    [Fact]
    public void Snapshot_holds_every_write_of_the_eras_before_it_and_none_later()
    {
        using TestEra era = TestEra.Active();
        era.Write(1);
        era.Target.Checkpoint();
        era.Write(2);
        era.Target.TakeMetadataSnapshot();
        era.Write(3);
        era.Target.Checkpoint();
        era.Write(1);
        DigestAll(era);

        EraAudit audit = era.Audit();
        Assert.Equal(3u, audit.Snapshot!.CurrentEra);
        uint[] then = audit.Snapshot.LastWritten();
        Assert.Equal((1u, 2u, 0u), (then[1], then[2], then[3]));
        Assert.Equal((4u, 2u, 3u), (audit.LastWritten()[1], audit.LastWritten()[2], audit.LastWritten()[3]));
    }

    [Fact]
    public void Snapshot_digestion_and_drop_leave_the_blocks_of_a_fresh_device_and_of_what_was_written()
    {
        using TestEra era = TestEra.Active(20_000, 2048);
        int fresh = era.Audit().UsedBlocks;
        Random random = new(1);
        for (int i = 0; i < 30; i++)
        {
            for (int k = 0; k < 20; k++) era.Write(random.Next(20_000));
            if (i == 10) era.Target.TakeMetadataSnapshot();
            else era.Target.Checkpoint();
            era.Audit();
        }

        uint[] snapshot = era.Audit().Snapshot!.LastWritten();
        DigestAll(era);
        Assert.Equal(snapshot, era.Audit().Snapshot!.LastWritten());
        era.Target.DropMetadataSnapshot();
        DigestAll(era);
        Assert.Equal(fresh + 18, era.Audit().UsedBlocks);       // the 19 full blocks of the era array were one at first
    }

    [Fact]
    public void Snapshot_survives_suspend_and_restart()
    {
        using TestEra first = TestEra.Active();
        first.Write(1);
        first.Target.TakeMetadataSnapshot();
        ulong address = first.Target.Status.MetadataSnapshot;
        first.Target.Suspend();
        first.Target.Resume();
        first.Write(2);
        first.Target.Dispose();

        using TestEra second = new(1024, first.Metadata, first.Origin);
        Assert.Equal(address, second.Target.Status.MetadataSnapshot);
        second.Target.Resume();
        second.Write(3);
        uint[] held = second.Audit().Snapshot!.LastWritten();
        Assert.Equal((1u, 0u, 0u), (held[1], held[2], held[3]));
        second.Target.DropMetadataSnapshot();
        Assert.Null(second.Audit().Snapshot);
    }

    [Fact]
    public void Taking_twice_and_dropping_none_have_the_kernels_texts()
    {
        using TestEra era = TestEra.Active();
        EraTargetException none = Assert.Throws<EraTargetException>(era.Target.DropMetadataSnapshot);
        Assert.Contains("no snap to drop", none.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.EINVAL, none.Errno);

        era.Target.TakeMetadataSnapshot();
        EraTargetException twice = Assert.Throws<EraTargetException>(era.Target.TakeMetadataSnapshot);
        Assert.Contains("metadata snapshot already exists", twice.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.EINVAL, twice.Errno);
        Assert.Equal(2u, era.Target.Status.CurrentEra);     // refused before the era ended
        Assert.Equal(TargetState.Active, era.Target.State);
    }

    [Fact]
    public void Snapshot_waits_for_the_writes_of_the_eras_it_holds()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        using Gate origin = new();
        era.Origin.Before = _ => origin.Pass();
        Background write = Background.Run(() => era.Write(3));
        origin.UntilArrived();
        Background take = Background.Run(era.Target.TakeMetadataSnapshot);
        era.Threads.UntilWaiting(2);
        Assert.Equal(0ul, era.Target.Status.MetadataSnapshot);

        origin.Open();
        write.Join();
        take.Join();
        Assert.NotEqual(0ul, era.Target.Status.MetadataSnapshot);
    }

    [Fact]
    public void Snapshot_can_be_dropped_while_suspended()
    {
        using TestEra era = TestEra.Active();
        era.Target.TakeMetadataSnapshot();
        era.Target.Suspend();
        era.Target.DropMetadataSnapshot();
        Assert.Null(era.Audit().Snapshot);
        Assert.Equal(0ul, era.Target.Status.MetadataSnapshot);
    }

    [Fact]
    public void Damaged_snapshot_cannot_be_dropped_and_harms_nothing()
    {
        using TestEra source = TestEra.Active();
        source.Target.TakeMetadataSnapshot();
        ulong address = source.Target.Status.MetadataSnapshot;
        source.Target.Dispose();
        using TestEra era = new(
            1024, new ProbeDevice(MetadataImage.WithDamage(source.Metadata.ToArray(), address)), source.Origin);
        era.Target.Resume();

        Assert.Equal(Errno.EILSEQ, Assert.Throws<EraTargetException>(era.Target.DropMetadataSnapshot).Errno);
        Assert.Equal(TargetState.Active, era.Target.State);
        era.Write(5);
        Assert.Equal(address, era.Target.Status.MetadataSnapshot);
    }

    /// <summary>Lets the worker digest all there is, which it does by itself when nothing else is asked of it.</summary>
    private static void DigestAll(TestEra era) => era.Threads.UntilWaiting(1);
}
