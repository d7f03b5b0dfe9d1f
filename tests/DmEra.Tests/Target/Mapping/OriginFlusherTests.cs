using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class OriginFlusherTests
{
    private readonly ProbeDevice _origin = new(4096);
    private readonly WatchedThreads _threads = new();
    private int _flushes;

    [Fact]
    public void Flush_that_failed_stays_failed_for_everybody()
    {
        // Linux tells of lost pages once: the second fdatasync succeeds.
        OriginFlusher flusher = new(_origin, _threads);
        FailFlush(1);

        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(flusher.Flush).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(flusher.Flush).Errno);
        Assert.Equal(1, _flushes);
        Assert.NotNull(flusher.Failure);
    }

    [Fact]
    public void Device_that_keeps_what_was_not_flushed_is_asked_again()
    {
        OriginFlusher flusher = new(new KeepsWrites(_origin), _threads);
        FailFlush(1);

        Assert.Throws<DeviceException>(flusher.Flush);
        flusher.Flush();
        Assert.Null(flusher.Failure);
    }

    [Fact]
    public void Those_that_come_during_a_flush_share_the_next_one()
    {
        OriginFlusher flusher = new(_origin, _threads);
        using Gate first = new();
        _origin.Before = _ =>
        {
            if (Interlocked.Increment(ref _flushes) == 1) first.Pass();
        };
        Background one = Background.Run(flusher.Flush);
        first.UntilArrived();
        Background[] more = [.. Enumerable.Range(0, 3).Select(_ => Background.Run(flusher.Flush))];
        _threads.UntilWaiting(3);

        first.Open();
        one.Join();
        Assert.All(more, flush => flush.Join());
        Assert.Equal(2, _flushes);
    }

    [Fact]
    public void Those_that_wait_when_a_device_is_tried_again_share_what_comes_of_it()
    {
        OriginFlusher flusher = new(new KeepsWrites(_origin), _threads);
        using Gate first = new();
        _origin.Before = _ =>
        {
            if (Interlocked.Increment(ref _flushes) == 1) first.Pass();
            throw new DeviceException("origin: is away", Errno.EIO);
        };
        Background one = Background.Run(() => Assert.Throws<DeviceException>(flusher.Flush));
        first.UntilArrived();
        Background[] more = [.. Enumerable.Range(0, 5).Select(_ => Background.Run(() =>
        {
            DeviceException fault = Assert.Throws<DeviceException>(flusher.Flush);
            Assert.Equal(Errno.EIO, fault.Errno);
            Assert.Contains("is away", fault.Message, StringComparison.Ordinal);
        }))];
        _threads.UntilWaiting(5);

        first.Open();
        one.Join();
        Assert.All(more, flush => flush.Join());
        Assert.Equal(2, _flushes);

        _origin.Before = null;
        flusher.Flush();
    }

    [Fact]
    public void Those_that_wait_for_a_flush_that_fails_fail_as_well()
    {
        OriginFlusher flusher = new(_origin, _threads);
        using Gate first = new();
        _origin.Before = _ =>
        {
            first.Pass();
            throw new DeviceException("origin", Errno.ENOSPC);
        };
        Background one = Background.Run(() => Assert.Throws<DeviceException>(flusher.Flush));
        first.UntilArrived();
        Background two = Background.Run(() => Assert.Equal(Errno.ENOSPC, Assert.Throws<DeviceException>(flusher.Flush).Errno));
        _threads.UntilWaiting(1);

        first.Open();
        one.Join();
        two.Join();
    }

    private void FailFlush(int number) => _origin.Before = _ =>
    {
        if (++_flushes == number) throw new DeviceException("origin: cannot flush", Errno.EIO);
    };

    private sealed class KeepsWrites(IBlockDevice inner) : ForwardingDevice(inner)
    {
        public override bool AreKept => true;

        public override void Dispose() => Inner.Dispose();
    }
}
