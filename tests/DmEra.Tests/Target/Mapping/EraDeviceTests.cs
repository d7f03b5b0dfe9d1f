using System.Collections.Concurrent;
using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class EraDeviceTests
{
    private const int BlockBytes = TestEra.BlockBytes;

    [Fact]
    public void Write_is_not_issued_before_its_mark_is_durable()
    {
        using TestEra era = TestEra.Active();
        ConcurrentQueue<string> journal = new();
        era.Metadata.Before = operation => journal.Enqueue(
            operation.Call == DeviceCall.Write && operation.Offset == 0 ? "superblock" : operation.Call.ToString());
        era.Origin.Before = operation => journal.Enqueue($"origin {operation.Call}");

        era.Write(7);

        string[] order = [.. journal];
        Assert.Equal(["Flush", "superblock", "Flush", "origin Write"], order[^4..]);
        Assert.Single(order, "origin Write");
    }

    [Fact]
    public void Every_request_reaches_the_origin_as_it_was_made()
    {
        using TestEra era = TestEra.Active();
        List<DeviceOperation> requests = [];
        era.Origin.Before = requests.Add;
        IBlockDevice device = era.Target.Device;

        device.Read(1, new byte[2]);
        device.Write(3, new byte[4]);
        device.Trim(5, 6);
        device.WriteZeroes(7, 8, ZeroingMode.MayDeallocate);
        device.Prefetch(9, 10);
        device.Flush();

        Assert.Equal(
            [
                new(DeviceCall.Read, 1, 2), new(DeviceCall.Write, 3, 4), new(DeviceCall.Trim, 5, 6),
                new(DeviceCall.WriteZeroes, 7, 8), new(DeviceCall.Prefetch, 9, 10), new(DeviceCall.Flush),
            ],
            requests);
    }

    [Fact]
    public void Mark_survives_a_power_cut_at_the_moment_of_the_write()
    {
        using TestEra era = TestEra.Active();
        byte[][] left = [];
        era.Origin.Before = _ => left = [.. Enumerable.Range(0, 20).Select(seed => era.Metadata.AfterPowerCut(new Random(seed)))];

        era.Write(7);

        Assert.All(left, image => Assert.Equal(1u, EraAudit.Read(image).LastWritten()[7]));
    }

    [Fact]
    public void Second_write_to_a_block_waits_for_the_commit_of_the_first()
    {
        using TestEra era = TestEra.Active();
        using Gate commit = new();
        int originWrites = 0;
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Flush) commit.Pass();
        };
        era.Origin.Before = _ => Interlocked.Increment(ref originWrites);

        Background first = Background.Run(() => era.Write(7));
        commit.UntilArrived();
        Background second = Background.Run(() => era.Write(7));
        era.Threads.UntilWaiting(2);        // the two writers; the worker is held in its commit
        Assert.Equal(0, originWrites);

        commit.Open();
        first.Join();
        second.Join();
        Assert.Equal(2, originWrites);
    }

    [Fact]
    public void Marked_blocks_cost_no_further_commit()
    {
        using TestEra era = TestEra.Active();
        era.Write(7);
        era.Metadata.Before = _ => Assert.Fail("the metadata was touched");

        era.Write(7, 7, 7);
        era.Target.Device.Read(0, new byte[BlockBytes * 100]);
        era.Target.Device.Flush();
    }

    [Fact]
    public void Every_block_that_a_write_touches_is_marked()
    {
        using TestEra era = TestEra.Active();
        era.Target.Device.Write((10 * BlockBytes) - 1, new byte[BlockBytes + 2]);
        era.Target.Device.Write(20 * BlockBytes, new byte[BlockBytes]);
        era.Target.Device.Write(30 * BlockBytes, []);

        Assert.Equal([9, 10, 11, 20], era.WrittenSince(1));
    }

    [Fact]
    public void Every_block_that_a_discard_touches_is_marked()
    {
        using TestEra era = TestEra.Active();
        era.Target.Device.Trim((31 * BlockBytes) + 2048, 3 * BlockBytes);
        Assert.Equal([31, 32, 33, 34], era.WrittenSince(1));
    }

    [Fact]
    public void Discard_of_the_whole_device_marks_every_block()
    {
        using TestEra era = TestEra.Active(100_000, 1024);
        era.Target.Device.Trim(0, era.Target.Device.Length);
        Assert.Equal(100_000, era.WrittenSince(1).Length);
    }

    [Theory]
    [InlineData(ZeroingMode.MayDeallocate)]
    [InlineData(ZeroingMode.KeepAllocated)]
    public void Every_block_that_is_zeroed_is_marked(ZeroingMode mode)
    {
        using TestEra era = TestEra.Active();
        era.Target.Device.WriteZeroes(40 * BlockBytes, 8 * BlockBytes, mode);
        Assert.Equal([40, 41, 42, 43, 44, 45, 46, 47], era.WrittenSince(1));
    }

    [Fact]
    public void Reading_and_flushing_mark_nothing()
    {
        using TestEra era = TestEra.Active();
        era.Target.Device.Read(0, new byte[10 * BlockBytes]);
        era.Target.Device.Prefetch(0, 10 * BlockBytes);
        era.Target.Device.Flush();
        Assert.True(era.Target.Device.TryReadNow(0, new byte[512]));
        Assert.Empty(era.WrittenSince(1));
    }

    [Fact]
    public void Target_that_does_not_begin_at_the_tables_start_numbers_its_blocks_from_0()
    {
        ProbeDevice metadata = new(1 << 20), origin = new(64 * BlockBytes);
        EraTable table = new(4096, 64 * TestEra.BlockSectors, "meta", "origin", TestEra.BlockSectors);
        using EraTarget target = EraTarget.Create(table, metadata, origin, new EraTargetOptions());
        target.Resume();

        target.Device.Write(63 * BlockBytes, new byte[BlockBytes]);

        Assert.Equal(64 * BlockBytes, target.Device.Length);
        Assert.Equal(1u, EraAudit.Read(metadata.ToArray()).LastWritten()[63]);
        Assert.StartsWith("4096 512 era 8 ", target.Status.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(1024 * BlockBytes, 1)]
    [InlineData((1024 * BlockBytes) - 1, 2)]
    [InlineData(long.MaxValue, 1)]
    public void Requests_past_the_end_are_refused(long offset, int length)
    {
        using TestEra era = TestEra.Active();
        IBlockDevice device = era.Target.Device;

        era.Origin.Before = _ => Assert.Fail("the origin was asked");
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => device.Read(offset, new byte[length])).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => device.TryReadNow(offset, new byte[length])).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => device.Prefetch(offset, length)).Errno);
        Assert.Equal(Errno.ENOSPC, Assert.Throws<DeviceException>(() => device.Write(offset, new byte[length])).Errno);
        Assert.Equal(Errno.ENOSPC, Assert.Throws<DeviceException>(() => device.Trim(offset, length)).Errno);
        Assert.Equal(Errno.ENOSPC, Assert.Throws<DeviceException>(() => device.TryWriteNow(offset, new byte[length])).Errno);
        era.Origin.Before = null;
        Assert.Empty(era.WrittenSince(1));
    }

    [Fact]
    public void Write_at_once_needs_its_marks_first()
    {
        using TestEra era = TestEra.Active();
        IBlockDevice device = era.Target.Device;
        Assert.False(device.TryWriteNow(0, new byte[BlockBytes]));
        era.Write(0);
        Assert.True(device.TryWriteNow(0, new byte[BlockBytes]));
        Assert.False(device.TryWriteNow(0, new byte[BlockBytes + 1]));

        era.Target.Checkpoint();
        Assert.False(device.TryWriteNow(0, new byte[BlockBytes]));
    }

    [Fact]
    public void Nothing_is_done_at_once_while_suspended()
    {
        using TestEra era = TestEra.Active();
        era.Write(0);
        era.Target.Suspend();
        era.Origin.Before = _ => Assert.Fail("the origin was asked");
        era.Target.Device.Prefetch(0, 512);
        Assert.False(era.Target.Device.TryReadNow(0, new byte[512]));
        Assert.False(era.Target.Device.TryWriteNow(0, new byte[512]));
    }

    [Fact]
    public void Failed_write_leaves_its_mark_and_tells_the_caller()
    {
        using TestEra era = TestEra.Active();
        era.Origin.Before = _ => throw new DeviceException("origin", Errno.EIO);
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => era.Write(5)).Errno);
        Assert.Equal([5], era.WrittenSince(1));
        Assert.Equal(TargetState.Active, era.Target.State);

        era.Origin.Before = null;
        era.Write(5);
        era.Target.Checkpoint();        // the failed write is not waited for
    }

    [Fact]
    public void Repeated_requests_allocate_nothing()
    {
        using MemoryBlockDevice metadata = new(1 << 20), origin = new(64 * BlockBytes);
        EraTable table = new(0, 64 * TestEra.BlockSectors, "meta", "origin", TestEra.BlockSectors);
        using EraTarget target = EraTarget.Create(table, metadata, origin, new EraTargetOptions());
        target.Resume();
        IBlockDevice device = target.Device;
        byte[] data = new byte[BlockBytes];
        Request();

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) Request();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Request()
        {
            device.Write(0, data);
            device.TryWriteNow(BlockBytes / 2, data.AsSpan(0, 512));
            device.Read(0, data);
            device.TryReadNow(0, data);
            device.Flush();
            device.Trim(0, 512);
        }
    }
}
