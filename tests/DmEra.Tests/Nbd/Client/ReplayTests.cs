using DmEra.Devices;
using DmEra.Nbd.Client;
using DmEra.Tests.Target;
using static DmEra.Tests.Nbd.Client.RestartedServer;

namespace DmEra.Tests.Nbd.Client;

/// <summary>What a server had acknowledged and not made stable is sent to it again, and nothing else.</summary>
public sealed class ReplayTests : IDisposable
{
    private readonly RestartedServer _server = new();

    public void Dispose() => _server.Dispose();

    [Fact]
    public void What_was_acknowledged_but_not_stable_is_sent_again_in_its_order()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);
        client.Write(0, Second);
        client.Write(8192, First);
        client.Write(12288, First);
        client.WriteZeroes(8192, 4096, ZeroingMode.KeepAllocated);
        client.Trim(16384, 4096);
        _server.StopServing();
        List<string> calls = [];
        _server.After.Before = call => calls.Add($"{call.Operation} {call.Offset}");
        _server.Serve(_server.After);

        client.Flush();

        Assert.Equal(
            ["write 0", "write 0", "write 8192", "write 12288", "zero KeepAllocated 8192", "trim 16384", "flush 0"], calls);
        Assert.Equal(Second, Content(_server.After, 0));
        Assert.Equal(Blank, Content(_server.After, 8192));
        Assert.Equal(First, Content(_server.After, 12288));
    }

    [Fact]
    public void What_was_made_stable_is_not_sent_again()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);
        client.Flush();
        client.Write(4096, Second);
        _server.StopServing();
        _server.Serve(_server.After);

        client.Flush();

        Assert.Equal(Blank, Content(_server.After, 0));
        Assert.Equal(Second, Content(_server.After, 4096));
    }

    [Fact]
    public void A_flush_that_fails_makes_nothing_stable()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);
        _server.Before.Before = _ => throw new DeviceException("disk", Errno.EIO);
        Assert.Throws<DeviceException>(client.Flush);
        _server.StopServing();
        _server.Serve(_server.After);

        client.Flush();

        Assert.Equal(First, Content(_server.After, 0));
    }

    [Fact]
    public void A_flush_that_succeeds_after_one_that_failed_is_for_what_that_one_lost_as_well()
    {
        bool isBroken = true;
        List<string> calls = [];
        _server.Before.Before = call =>
        {
            calls.Add($"{call.Operation} {call.Offset}");
            if (call.Operation != "flush" || !isBroken) return;

            // As Linux does: what it could not write is taken for clean, and the next flush knows nothing of it.
            _server.Before.Content.Write(0, Blank);
            isBroken = false;
            throw new DeviceException("disk", Errno.EIO);
        };
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);
        Assert.Throws<DeviceException>(client.Flush);

        client.Flush();

        Assert.Equal(["write 0", "flush 0", "write 0", "flush 0"], calls);
        Assert.Equal(First, Content(_server.Before, 0));
        client.Flush();
        Assert.Equal("flush 0", calls[^1]);
        Assert.Equal(5, calls.Count);
    }

    [Fact]
    public void What_a_failed_flush_lost_is_there_again_before_it_is_read_or_written_over()
    {
        _server.Before.Before = call =>
        {
            if (call.Operation != "flush") return;
            _server.Before.Content.Write(0, Blank);
            throw new DeviceException("disk", Errno.EIO);
        };
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);

        Assert.Throws<DeviceException>(client.Flush);
        Assert.Equal(First, Read(client, 0));
        Assert.Throws<DeviceException>(client.Flush);
        client.Write(0, Second);
        Assert.Equal(Second, Read(client, 0));
    }

    [Fact]
    public void As_long_as_the_server_refuses_what_a_failed_flush_was_for_every_flush_fails()
    {
        bool isBroken = false;
        _server.Before.Before = call =>
        {
            if (isBroken && call.Operation is "flush" or "write") throw new DeviceException("disk", Errno.ENOSPC);
        };
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);
        isBroken = true;

        Assert.Equal(Errno.ENOSPC, Assert.Throws<DeviceException>(client.Flush).Errno);
        DeviceException fault = Assert.Throws<DeviceException>(client.Flush);
        Assert.Contains("refuses to repeat a Write at byte 0 that it had acknowledged", fault.Message, StringComparison.Ordinal);
        isBroken = false;
        client.Flush();
    }

    [Fact]
    public void Of_flushes_at_the_same_time_none_succeeds_because_another_was_told_of_the_loss()
    {
        // The server is told of the first loss; what comes at the same time waits, so that it is for the second try.
        using Gate gate = new();
        int flushes = 0;
        _server.Before.Before = call =>
        {
            if (call.Operation != "flush" || Interlocked.Increment(ref flushes) > 1) return;
            gate.Pass();
            _server.Before.Content.Write(0, Blank);
            throw new DeviceException("disk", Errno.EIO);
        };
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);
        Background first = Background.Run(() => Assert.Throws<DeviceException>(client.Flush));
        gate.UntilArrived();

        Background second = Background.Run(client.Flush);
        gate.Open();
        first.Join();
        second.Join();

        Assert.Equal(First, Content(_server.Before, 0));
    }

    [Fact]
    public void What_the_server_did_fast_is_repeated_at_any_speed_and_hints_need_not_succeed_twice()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);
        client.WriteZeroes(0, 4096, ZeroingMode.FastOnly);
        client.Trim(8192, 4096);
        _server.StopServing();
        List<string> calls = [];
        _server.After.Before = call =>
        {
            calls.Add(call.Operation);
            if (call.Operation is "trim" or "zero FastOnly") throw new DeviceException("cannot", Errno.ENOTSUP);
        };
        _server.Serve(_server.After);

        client.Flush();

        Assert.Equal(["write", "zero MayDeallocate", "trim", "flush"], calls);
        Assert.Equal(Blank, Content(_server.After, 0));
    }

    [Fact]
    public void A_server_that_takes_writes_and_fails_flushes_does_not_fill_the_memory()
    {
        _server.Before.Before = call =>
        {
            if (call.Operation == "flush") throw new DeviceException("disk", Errno.ENOSPC);
        };
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open(new NbdClientOptions { UnstableBytes = 20_000 });
        int taken = 0;

        for (int i = 0; i < 50; i++)
        {
            try
            {
                client.Write(i * 4096, First);
                taken++;
            }
            catch (DeviceException full)
            {
                Assert.Equal(Errno.ENOSPC, full.Errno);
            }
        }

        Assert.InRange(taken, 4, 6);
        Assert.Equal(Blank, Content(_server.Before, 49 * 4096));
    }

    [Fact]
    public void Learning_the_length_anew_repeats_nothing_before_somebody_asks_for_something()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);
        _server.StopServing();
        List<string> calls = [];
        _server.After.Before = call => calls.Add(call.Operation);
        _server.Serve(_server.After);

        client.RefreshLength();
        Assert.Empty(calls);
        Assert.Equal(First, Read(client, 0));
        Assert.Equal(["write", "read"], calls);
    }

    [Fact]
    public void A_flush_is_sent_before_too_much_is_unstable()
    {
        int flushes = 0;
        _server.Before.Before = call => flushes += call.Operation == "flush" ? 1 : 0;
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open(new NbdClientOptions { UnstableBytes = 20_000 });

        for (int i = 0; i < 100; i++) client.Write(i * 4096, First);

        Assert.InRange(flushes, 15, 25);
    }

    [Theory, MemberData(nameof(Seeds.For), 5, MemberType = typeof(Seeds))]
    public void Nothing_acknowledged_is_lost_however_often_the_server_loses_what_is_not_stable(int seed)
    {
        const int Blocks = Size / 4096;
        Random random = new(seed);
        byte[] stable = new byte[Size];     // what the disk of the server has after a crash
        HookedDevice disk = NewDisk();
        _server.Serve(disk);
        using NbdBlockDevice client = _server.Open();
        byte[] model = new byte[Size];
        for (int round = 0; round < 20; round++)
        {
            Background[] writers = [.. Enumerable.Range(0, 4).Select(part => Background.Run(() =>
            {
                Random own = new((seed * 1000) + (round * 10) + part);
                for (int i = 0; i < 20; i++)
                {
                    int block = (own.Next(Blocks / 4) * 4) + part;
                    byte[] data = new byte[4096];
                    own.NextBytes(data);
                    client.Write(block * 4096, data);
                    data.CopyTo(model, block * 4096);
                    if (own.Next(10) == 0) client.Flush();
                }
            }))];
            if (random.Next(2) == 0) Crash();
            foreach (Background writer in writers) writer.Join();
            if (random.Next(2) == 0) Crash();
        }

        byte[] read = new byte[Size];
        client.Read(0, read);
        Assert.True(model.AsSpan().SequenceEqual(read));
        client.Flush();
        Assert.True(model.AsSpan().SequenceEqual(stable));

        HookedDevice NewDisk()
        {
            HookedDevice fresh = new(Size);
            fresh.Content.Write(0, stable);
            fresh.Before = call =>
            {
                if (call.Operation != "flush") return;
                byte[] content = new byte[Size];
                lock (stable)
                {
                    fresh.Content.Read(0, content);
                    content.CopyTo(stable, 0);
                }
            };
            return fresh;
        }

        void Crash()
        {
            _server.StopServing();
            disk = NewDisk();
            _server.Serve(disk);
        }
    }
}
