using DmEra.Devices;

namespace DmEra.Tests.Target.Mapping;

/// <summary>A change that failed may still happen: a server of the origin that was given up may carry it out late.</summary>
public class DoubtfulOriginTests
{
    [Theory]
    [InlineData(DeviceCall.Write)]
    [InlineData(DeviceCall.Trim)]
    [InlineData(DeviceCall.WriteZeroes)]
    public void Blocks_of_a_change_that_failed_count_as_written_in_every_later_era(DeviceCall call)
    {
        using TestEra era = TestEra.Active();
        era.Origin.Before = operation =>
        {
            if (operation.Call == call) throw new DeviceException("the server was given up", Errno.EIO);
        };
        Assert.Throws<DeviceException>(() => Change(era, call));
        era.Origin.Before = null;

        uint next = era.Target.Checkpoint();
        Assert.Equal([3, 4], era.WrittenSince(next));
        next = era.Target.Checkpoint();
        Assert.Equal([3, 4], era.WrittenSince(next));
        era.Target.Suspend();
        era.Target.Resume();
        Assert.Equal([3, 4], era.WrittenSince(era.Target.Status.CurrentEra));
    }

    [Fact]
    public void Blocks_in_doubt_that_a_device_has_lost_are_left_alone()
    {
        using TestEra era = TestEra.Active();
        era.Origin.Before = static _ => throw new DeviceException("origin", Errno.EIO);
        Assert.Throws<DeviceException>(() => Change(era, DeviceCall.Write));
        era.Origin.Before = null;

        era.Target.Resize(4 * TestEra.BlockSectors);
        Assert.Equal([3], era.WrittenSince(era.Target.Status.CurrentEra));
        era.Target.Resize(2 * TestEra.BlockSectors);
        Assert.Empty(era.WrittenSince(era.Target.Checkpoint()));
    }

    [Fact]
    public void Zeroing_that_was_refused_as_too_slow_leaves_no_doubt()
    {
        using TestEra era = TestEra.Active();
        era.Origin.Before = operation =>
        {
            if (operation.Call == DeviceCall.WriteZeroes) throw new DeviceException("origin", Errno.ENOTSUP);
        };
        Assert.Throws<DeviceException>(() => Change(era, DeviceCall.WriteZeroes));
        era.Origin.Before = null;

        Assert.Empty(era.WrittenSince(era.Target.Checkpoint()));
    }

    [Fact]
    public void Blocks_in_doubt_are_marked_with_one_commit()
    {
        using TestEra era = TestEra.Active(blocks: 4000);
        era.Origin.Before = static _ => throw new DeviceException("origin", Errno.EIO);
        for (int block = 1; block < 100; block += 2) Assert.Throws<DeviceException>(() => era.Write(block));
        era.Origin.Before = null;
        int flushes = 0;
        era.Threads.UntilWaiting(1);
        era.Metadata.Before = operation => flushes += operation.Call == DeviceCall.Flush ? 1 : 0;

        era.Target.Checkpoint();
        era.Threads.UntilWaiting(1);

        // Of two flushes each: the new era, the marks, and what digestion has to say.
        Assert.InRange(flushes, 4, 12);
    }

    [Fact]
    public void Many_ranges_in_doubt_become_one()
    {
        using TestEra era = TestEra.Active(blocks: 4000);
        era.Origin.Before = static _ => throw new DeviceException("origin", Errno.EIO);
        for (int block = 1; block < 2002; block += 2) Assert.Throws<DeviceException>(() => era.Write(block));
        era.Origin.Before = null;

        Assert.Equal(Enumerable.Range(1, 2001), era.WrittenSince(era.Target.Checkpoint()));
    }

    // Of the blocks 3 and 4.
    private static void Change(TestEra era, DeviceCall call)
    {
        const long offset = (3 * TestEra.BlockBytes) + 1024;
        const int length = TestEra.BlockBytes;
        if (call == DeviceCall.Write) era.Target.Device.Write(offset, new byte[length]);
        else if (call == DeviceCall.Trim) era.Target.Device.Trim(offset, length);
        else era.Target.Device.WriteZeroes(offset, length, ZeroingMode.MayDeallocate);
    }
}
