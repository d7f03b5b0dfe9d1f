using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class ResizeTests
{
    private const int BlockSectors = TestEra.BlockSectors;

    [Theory]
    [InlineData(1024, 1500)]
    [InlineData(1024, 2048)]
    [InlineData(1018, 1019)]
    [InlineData(2036, 4000)]
    [InlineData(1, 4000)]
    public void Grown_device_has_its_history_and_new_blocks_that_count_as_written(int from, int to)
    {
        using TestEra era = Make(from, 4000);
        era.Write(0, from - 1);
        era.Target.Resize((long)to * BlockSectors);

        Assert.Equal((long)to * TestEra.BlockBytes, era.Target.Device.Length);
        uint[] eras = era.Audit().LastWritten();
        Assert.Equal(to, eras.Length);
        for (int block = 0; block < to; block++)
            Assert.Equal(block >= from ? 2u : block == 0 || block == from - 1 ? 1u : 0u, eras[block]);
    }

    [Theory]
    [InlineData(2048, 1024)]
    [InlineData(1500, 1018)]        // the kernel leaves the tail block in the array
    [InlineData(4000, 1)]
    [InlineData(4000, 2036)]
    public void Shrunk_device_forgets_what_was_cut_off(int from, int to)
    {
        using TestEra era = Make(from, 4000);
        era.Write(0, from - 1);
        era.Target.Checkpoint();
        era.Threads.UntilWaiting(1);        // digested: the era array has it
        era.Write(from - 1);
        era.Target.Resize((long)to * BlockSectors);
        era.Threads.UntilWaiting(1);
        era.Write(to - 1);

        Assert.Equal(Errno.ENOSPC, Assert.Throws<DeviceException>(() => era.Write(to)).Errno);
        EraAudit audit = era.Audit();
        Assert.Equal(to, audit.LastWritten().Length);
        Assert.Equal(to == 1 ? 3u : 1u, audit.LastWritten()[0]);
        Assert.Equal(3u, audit.LastWritten()[to - 1]);
    }

    [Fact]
    public void Pending_writeset_that_is_longer_than_the_device_is_digested_as_far_as_it_goes()
    {
        using TestEra era = Make(4000, 4000);
        era.Write(10, 3999);
        era.Target.Suspend();
        era.Target.Resize(1000L * BlockSectors);
        era.Target.Resume();
        era.Threads.UntilWaiting(1);

        EraAudit audit = era.Audit();
        Assert.Empty(audit.Writesets);
        Assert.Equal(1u, audit.EraArray[10]);
        Assert.Equal(1000, audit.EraArray.Length);
    }

    [Fact]
    public void Suspended_device_is_resized_when_it_is_resumed()
    {
        using TestEra era = Make(1000, 4000);
        era.Target.Suspend();
        era.Target.Resize(2000L * BlockSectors);
        Assert.Equal(1000u, era.Audit().NrBlocks);

        // Nothing that it gains is marked yet: who copies it now must not think that it is part of it.
        Assert.Equal(1000L * BlockSectors, era.Target.Status.LengthSectors);
        Assert.Equal(1000L * TestEra.BlockBytes, era.Target.Device.Length);
        era.Target.Resume();
        Assert.Equal(2000u, era.Audit().NrBlocks);
        Assert.Equal("0 16000 era meta origin 8", era.Target.Table.ToString());
    }

    [Fact]
    public void Last_block_may_be_partial()
    {
        using TestEra era = Make(1000, 4000);
        era.Target.Resize((1000L * BlockSectors) + 1);
        uint next = era.Target.Checkpoint();
        era.Target.Device.Write(1000L * TestEra.BlockBytes, new byte[512]);
        Assert.Equal([1000], era.WrittenSince(next));
        Assert.Throws<DeviceException>(() => era.Target.Device.Write(1000L * TestEra.BlockBytes, new byte[513]));
    }

    [Theory]
    [InlineData(1, 5, 1000)]
    [InlineData(1, 8, 1000)]
    [InlineData(5, 13, 1000, 1001)]
    [InlineData(0, 1, 1000)]
    [InlineData(5, 4)]
    public void Growth_inside_a_partial_last_block_counts_as_written(int sectorsBefore, int sectorsAfter, params int[] written)
    {
        using TestEra era = Make(2000, 4000);
        era.Target.Resize((1000L * BlockSectors) + sectorsBefore);
        uint next = era.Target.Checkpoint();
        era.Target.Resize((1000L * BlockSectors) + sectorsAfter);
        Assert.Equal(written, era.WrittenSince(next));
    }

    [Fact]
    public void Growth_before_the_device_is_resumed_for_the_first_time_counts_as_written_as_well()
    {
        using ProbeDevice metadata = new(64 * 4096);
        using ProbeDevice origin = new(20 * TestEra.BlockBytes);
        EraTable table = new(0, (10 * BlockSectors) + 3, "meta", "origin", BlockSectors);
        using (EraTarget before = EraTarget.Create(table, metadata, origin, new EraTargetOptions())) before.Resume();

        using ProbeDevice metadataLater = new(metadata.ToArray());
        using EraTarget target = EraTarget.Create(table, metadataLater, origin, new EraTargetOptions());
        target.Resize((10 * BlockSectors) + 5);
        target.Resume();

        using EraHistory history = target.OpenHistory();
        Assert.Equal([new BlockRange(10, 11)], history.WrittenSince(target.Status.CurrentEra));
    }

    [Theory]
    [InlineData(3, 5, true)]
    [InlineData(3, 8, true)]
    [InlineData(3, 3, false)]
    [InlineData(3, 2, false)]
    public void Growth_inside_a_partial_last_block_while_the_device_was_stopped_counts_as_written(int sectorsBefore, int sectorsAfter, bool isMarked)
    {
        using TempFolder folder = new();
        folder.Sparse("meta", 1 << 20);
        folder.Sparse("origin", 20 * TestEra.BlockBytes);
        foreach (bool isClean in (bool[])[true, false])
        {
            uint last = Serve(sectorsBefore, isClean, out _);
            uint now = Serve(sectorsAfter, isClean, out BlockRange[] written);
            Assert.True(now > last);
            Assert.Equal(isMarked ? [new BlockRange(10, 11)] : [], written);
        }

        uint Serve(int sectors, bool isClean, out BlockRange[] written)
        {
            EraTable table = new(0, (10 * BlockSectors) + sectors, folder["meta"], folder["origin"], BlockSectors);
            EraTarget target = EraTarget.Create(table, new EraTargetOptions());
            target.Resume();
            uint era = target.Status.CurrentEra;
            using (EraHistory history = target.OpenHistory()) written = [.. history.WrittenSince(era)];
            // Without a clean end, the next one finds what a crash would leave.
            byte[][] crashed = [Content("meta"), Content("meta.chronicle")];
            target.Dispose();
            if (isClean) return era;
            File.WriteAllBytes(folder["meta"], crashed[0]);
            File.WriteAllBytes(folder["meta.chronicle"], crashed[1]);
            return era;
        }

        byte[] Content(string name)
        {
            using FileBlockDevice file = FileBlockDevice.OpenShared(folder[name]);
            byte[] content = new byte[file.Length];
            file.Read(0, content);
            return content;
        }
    }

    [Fact]
    public void Origin_that_is_too_short_refuses_and_the_device_goes_on()
    {
        using TestEra era = Make(1000, 4000);
        era.Write(5);
        Assert.Equal(
            Errno.EINVAL, Assert.Throws<EraTargetException>(() => era.Target.Resize(4001L * BlockSectors)).Errno);
        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Equal(1u, era.Target.Status.CurrentEra);
        era.Write(999);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-8)]
    public void Length_must_be_positive(long sectors)
    {
        using TestEra era = Make(1000, 4000);
        Assert.Equal(Errno.EINVAL, Assert.Throws<EraTargetException>(() => era.Target.Resize(sectors)).Errno);
        Assert.Equal(TargetState.Active, era.Target.State);
    }

    [Fact]
    public void Metadata_without_room_refuses_and_the_device_goes_on_as_it_was()
    {
        ProbeDevice origin = new(40_000 * TestEra.BlockBytes);
        using TestEra era = new(1000, new ProbeDevice(32 * 4096), origin);
        era.Target.Resume();
        era.Write(5);
        EraTargetException refusal = Assert.Throws<EraTargetException>(() => era.Target.Resize(40_000L * BlockSectors));

        Assert.Equal(Errno.ENOSPC, refusal.Errno);
        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Equal(1000L * TestEra.BlockBytes, era.Target.Device.Length);
        Assert.Equal([5], era.WrittenSince(1));
        era.Write(999);
    }

    [Fact]
    public void Origin_file_that_was_extended_meanwhile_is_looked_at_again()
    {
        using TempFolder folder = new();
        EraTable table = new(0, 1024, folder.Sparse("meta", 1 << 20), folder.Sparse("origin", 1024 * 512), 8);
        using EraTarget target = EraTarget.Create(table, new EraTargetOptions());
        target.Resume();
        Assert.Throws<EraTargetException>(() => target.Resize(2048));
        Oracle.Run("truncate", "--size=1M", folder["origin"]).AssertSuccess();
        target.Resize(2048);
        Assert.Equal(1 << 20, target.Device.Length);
    }

    [Fact]
    public void Requests_wait_while_the_device_is_resized()
    {
        using TestEra era = Make(1000, 4000);
        using Gate commit = new();
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush) commit.Pass();
        };
        Background resize = Background.Run(() => era.Target.Resize(2000L * BlockSectors));
        commit.UntilArrived();
        Background write = Background.Run(() => era.Write(1999));
        era.Threads.UntilWaiting(2);
        commit.Open();
        resize.Join();
        write.Join();
        Assert.Contains(1999, era.WrittenSince(2));
    }

    private static TestEra Make(int blocks, int originBlocks)
    {
        TestEra era = new(blocks, new ProbeDevice(512 * 4096), new ProbeDevice(originBlocks * TestEra.BlockBytes));
        era.Target.Resume();
        return era;
    }
}
