using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Client;
using DmEra.Nbd.Transport;
using DmEra.Simulation.Nbd;
using DmEra.Simulation.Scheduling;
using DmEra.Tests.Target;

namespace DmEra.Tests.Nbd.Client;

/// <summary>Servers that go away, and come back on the same socket with or without what they had not made stable.</summary>
public sealed class ReconnectionTests : IDisposable
{
    private const int Size = 1 << 20;
    private static readonly byte[] Blank = new byte[4096];
    private static readonly byte[] First = [.. Enumerable.Repeat((byte)1, 4096)];
    private static readonly byte[] Second = [.. Enumerable.Repeat((byte)2, 4096)];

    private readonly TempFolder _folder = new();
    private readonly HookedDevice _before = new(Size);
    private readonly HookedDevice _after = new(Size);
    private readonly List<string> _log = [];
    private NbdServer? _server;

    public void Dispose()
    {
        _server?.Dispose();
        _before.Dispose();
        _after.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Requests_wait_for_a_server_that_comes_back()
    {
        Serve(_before);
        using NbdBlockDevice client = Open();
        client.Write(0, First);
        StopServing();

        Background[] requests =
        [
            Background.Run(() => client.Write(4096, Second)),
            Background.Run(() => client.Flush()),
            Background.Run(() => Assert.Equal(First, Read(client, 0))),
        ];
        Wait.Until(() => LogCount() == 1);
        Serve(_before);
        foreach (Background request in requests) request.Join();

        Assert.Equal(Second, Read(client, 4096));
        Assert.EndsWith("requests wait until it is back", _log[0], StringComparison.Ordinal);
        Assert.EndsWith(": back", _log[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_request_under_way_is_done_again()
    {
        using Gate gate = new();
        _before.Before = _ => gate.Pass();
        Serve(_before);
        using NbdBlockDevice client = Open();
        Background write = Background.Run(() => client.Write(0, First));
        gate.UntilArrived();

        // The reply will never come: the connection ends while the device is still busy.
        Background stop = Background.Run(StopServing);
        Wait.Until(() => LogCount() == 1 || stop.IsDone);
        gate.Open();
        stop.Join();
        Serve(_after);
        write.Join();

        Assert.Equal(First, Read(client, 0));
        Assert.Equal(First, Content(_after, 0));
    }

    [Fact]
    public void What_was_acknowledged_but_not_stable_is_sent_again_in_its_order()
    {
        Serve(_before);
        using NbdBlockDevice client = Open();
        client.Write(0, First);
        client.Write(0, Second);
        client.Write(8192, First);
        client.Write(12288, First);
        client.WriteZeroes(8192, 4096, ZeroingMode.KeepAllocated);
        client.Trim(16384, 4096);
        StopServing();
        List<string> calls = [];
        _after.Before = call => calls.Add($"{call.Operation} {call.Offset}");
        Serve(_after);

        client.Flush();

        Assert.Equal(
            ["write 0", "write 0", "write 8192", "write 12288", "zero KeepAllocated 8192", "trim 16384", "flush 0"], calls);
        Assert.Equal(Second, Content(_after, 0));
        Assert.Equal(Blank, Content(_after, 8192));
        Assert.Equal(First, Content(_after, 12288));
    }

    [Fact]
    public void What_was_made_stable_is_not_sent_again()
    {
        Serve(_before);
        using NbdBlockDevice client = Open();
        client.Write(0, First);
        client.Flush();
        client.Write(4096, Second);
        StopServing();
        Serve(_after);

        client.Flush();

        Assert.Equal(Blank, Content(_after, 0));
        Assert.Equal(Second, Content(_after, 4096));
    }

    [Fact]
    public void A_flush_that_fails_makes_nothing_stable()
    {
        Serve(_before);
        using NbdBlockDevice client = Open();
        client.Write(0, First);
        _before.Before = _ => throw new DeviceException("disk", Errno.EIO);
        Assert.Throws<DeviceException>(client.Flush);
        StopServing();
        Serve(_after);

        client.Flush();

        Assert.Equal(First, Content(_after, 0));
    }

    [Fact]
    public void A_flush_that_succeeds_after_one_that_failed_is_for_what_that_one_lost_as_well()
    {
        bool isBroken = true;
        List<string> calls = [];
        _before.Before = call =>
        {
            calls.Add($"{call.Operation} {call.Offset}");
            if (call.Operation != "flush" || !isBroken) return;

            // As Linux does: what it could not write is taken for clean, and the next flush knows nothing of it.
            _before.Content.Write(0, Blank);
            isBroken = false;
            throw new DeviceException("disk", Errno.EIO);
        };
        Serve(_before);
        using NbdBlockDevice client = Open();
        client.Write(0, First);
        Assert.Throws<DeviceException>(client.Flush);

        client.Flush();

        Assert.Equal(["write 0", "flush 0", "write 0", "flush 0"], calls);
        Assert.Equal(First, Content(_before, 0));
        client.Flush();
        Assert.Equal("flush 0", calls[^1]);
        Assert.Equal(5, calls.Count);
    }

    [Fact]
    public void What_a_failed_flush_lost_is_there_again_before_it_is_read_or_written_over()
    {
        _before.Before = call =>
        {
            if (call.Operation != "flush") return;
            _before.Content.Write(0, Blank);
            throw new DeviceException("disk", Errno.EIO);
        };
        Serve(_before);
        using NbdBlockDevice client = Open();
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
        _before.Before = call =>
        {
            if (isBroken && call.Operation is "flush" or "write") throw new DeviceException("disk", Errno.ENOSPC);
        };
        Serve(_before);
        using NbdBlockDevice client = Open();
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
        _before.Before = call =>
        {
            if (call.Operation != "flush" || Interlocked.Increment(ref flushes) > 1) return;
            gate.Pass();
            _before.Content.Write(0, Blank);
            throw new DeviceException("disk", Errno.EIO);
        };
        Serve(_before);
        using NbdBlockDevice client = Open();
        client.Write(0, First);
        Background first = Background.Run(() => Assert.Throws<DeviceException>(client.Flush));
        gate.UntilArrived();

        Background second = Background.Run(client.Flush);
        gate.Open();
        first.Join();
        second.Join();

        Assert.Equal(First, Content(_before, 0));
    }

    [Fact]
    public void What_the_server_did_fast_is_repeated_at_any_speed_and_hints_need_not_succeed_twice()
    {
        Serve(_before);
        using NbdBlockDevice client = Open();
        client.Write(0, First);
        client.WriteZeroes(0, 4096, ZeroingMode.FastOnly);
        client.Trim(8192, 4096);
        StopServing();
        List<string> calls = [];
        _after.Before = call =>
        {
            calls.Add(call.Operation);
            if (call.Operation is "trim" or "zero FastOnly") throw new DeviceException("cannot", Errno.ENOTSUP);
        };
        Serve(_after);

        client.Flush();

        Assert.Equal(["write", "zero MayDeallocate", "trim", "flush"], calls);
        Assert.Equal(Blank, Content(_after, 0));
    }

    [Fact]
    public void A_server_that_takes_writes_and_fails_flushes_does_not_fill_the_memory()
    {
        _before.Before = call =>
        {
            if (call.Operation == "flush") throw new DeviceException("disk", Errno.ENOSPC);
        };
        Serve(_before);
        using NbdBlockDevice client = Open(new NbdClientOptions { UnstableBytes = 20_000 });
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
        Assert.Equal(Blank, Content(_before, 49 * 4096));
    }

    [Fact]
    public void Flushes_that_wait_for_their_turn_while_the_server_is_away_fail_together()
    {
        Scheduler scheduler = new(seed: 1);
        TimeSpan retryTime = TimeSpan.FromSeconds(10);
        using MemoryBlockDevice disk = new(Size);
        SimulatedServer server = new(scheduler, disk, new Random(1));
        List<TimeSpan> failed = [];
        scheduler.Start("test", () =>
        {
            NbdBlockDevice client = NbdBlockDevice.Open(
                NbdUri.Parse("nbd://origin/"), new SimulatedConnector(scheduler, server),
                new NbdClientOptions { Connections = 1, RetryTime = retryTime, Threads = new SimulatedThreads(scheduler) });
            server.Kill();
            SimulatedThread[] flushes =
            [
                .. Enumerable.Range(0, 8).Select(i => scheduler.Start($"flush {i}", () =>
                {
                    Assert.Throws<DeviceException>(client.Flush);
                    failed.Add(scheduler.Now);
                })),
            ];
            foreach (SimulatedThread flush in flushes) flush.Join();
            client.Dispose();
        });

        scheduler.Run();

        Assert.Equal(8, failed.Count);
        Assert.All(failed, at => Assert.InRange(at, retryTime, retryTime * 1.2));
    }

    [Fact]
    public void An_export_that_grows_while_nobody_uses_it_is_looked_at_each_time()
    {
        Serve(_before);
        using NbdBlockDevice client = Open();
        client.Read(0, new byte[1]);
        client.RefreshLength();
        StopServing();
        using HookedDevice longer = new(2 * Size);
        Serve(longer);

        client.RefreshLength();

        Assert.Equal(2 * Size, client.Length);
    }

    [Fact]
    public void Another_length_is_taken_only_by_who_asked_for_it()
    {
        Serve(_before);
        using NbdBlockDevice client = Open(new NbdClientOptions { RetryTime = TimeSpan.FromMilliseconds(150) });
        client.Read(0, new byte[1]);
        StopServing();
        Assert.Throws<DeviceException>(client.RefreshLength);
        using HookedDevice longer = new(2 * Size);
        Serve(longer);

        DeviceException fault = Assert.Throws<DeviceException>(() => client.Write(0, First));

        Assert.Contains("it is another export now", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_that_throws_ends_no_request()
    {
        Serve(_before);
        using NbdBlockDevice client = NbdBlockDevice.Open(
            NbdUri.Parse($"nbd+unix:///?socket={_folder["nbd.sock"]}"),
            new NbdClientOptions { Log = static _ => throw new InvalidOperationException() });
        StopServing();
        Serve(_after);

        Assert.Equal(Blank, Read(client, 0));
    }

    [Fact]
    public void Learning_the_length_anew_repeats_nothing_before_somebody_asks_for_something()
    {
        Serve(_before);
        using NbdBlockDevice client = Open();
        client.Write(0, First);
        StopServing();
        List<string> calls = [];
        _after.Before = call => calls.Add(call.Operation);
        Serve(_after);

        client.RefreshLength();
        Assert.Empty(calls);
        Assert.Equal(First, Read(client, 0));
        Assert.Equal(["write", "read"], calls);
    }

    [Fact]
    public void A_flush_is_sent_before_too_much_is_unstable()
    {
        int flushes = 0;
        _before.Before = call => flushes += call.Operation == "flush" ? 1 : 0;
        Serve(_before);
        using NbdBlockDevice client = Open(new NbdClientOptions { UnstableBytes = 20_000 });

        for (int i = 0; i < 100; i++) client.Write(i * 4096, First);

        Assert.InRange(flushes, 15, 25);
    }

    [Fact]
    public void A_server_that_stays_away_fails_requests_in_the_end()
    {
        Serve(_before);
        using NbdBlockDevice client = Open(new NbdClientOptions { RetryTime = TimeSpan.FromMilliseconds(150) });
        StopServing();

        DeviceException fault = Assert.Throws<DeviceException>(() => client.Read(0, new byte[1]));
        Assert.Equal(Errno.EIO, fault.Errno);
        Assert.Contains("cannot connect", fault.Message, StringComparison.Ordinal);

        Serve(_before);
        client.Read(0, new byte[1]);
    }

    [Fact]
    public void A_server_that_comes_back_with_another_disk_is_not_believed()
    {
        Serve(_before);
        using NbdBlockDevice client = Open(new NbdClientOptions { RetryTime = TimeSpan.FromMilliseconds(150) });
        StopServing();
        using HookedDevice other = new(2 * Size);
        Serve(other);

        DeviceException fault = Assert.Throws<DeviceException>(() => client.Write(0, First));

        Assert.Contains("it is another export now", fault.Message, StringComparison.Ordinal);
        Assert.Equal(Blank, Content(other, 0));
    }

    [Fact]
    public void A_client_that_is_closed_lets_go_of_requests_that_wait()
    {
        Serve(_before);
        NbdBlockDevice client = Open();
        StopServing();
        int errno = 0;
        Background read = Background.Run(() => errno = Assert.Throws<DeviceException>(() => client.Read(0, new byte[1])).Errno);
        Wait.Until(() => LogCount() == 1);

        client.Dispose();
        read.Join();

        Assert.Equal(Errno.ESHUTDOWN, errno);
    }

    [Theory, MemberData(nameof(Seeds.For), 5, MemberType = typeof(Seeds))]
    public void Nothing_acknowledged_is_lost_however_often_the_server_loses_what_is_not_stable(int seed)
    {
        const int Blocks = Size / 4096;
        Random random = new(seed);
        byte[] stable = new byte[Size];     // what the disk of the server has after a crash
        HookedDevice disk = NewDisk();
        Serve(disk);
        using NbdBlockDevice client = Open();
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
            StopServing();
            disk = NewDisk();
            Serve(disk);
        }
    }

    private void Serve(HookedDevice device)
    {
        // Does nothing to clients that are connected but to end their connections, as a crash would.
        _server = new NbdServer(
            [new NbdExport("", device, new BlockStatusCatalog())], new NbdServerOptions { DrainTimeout = TimeSpan.FromMilliseconds(100) });
        _server.Listen(new UnixDomainSocketEndPoint(_folder["nbd.sock"]));
    }

    private void StopServing()
    {
        _server!.Dispose();
        _server = null;
    }

    private NbdBlockDevice Open(NbdClientOptions? options = null) => NbdBlockDevice.Open(
        NbdUri.Parse($"nbd+unix:///?socket={_folder["nbd.sock"]}"), (options ?? new NbdClientOptions()) with { Log = Log });

    private void Log(string line)
    {
        lock (_log) _log.Add(line);
    }

    private int LogCount()
    {
        lock (_log) return _log.Count;
    }

    private static byte[] Read(NbdBlockDevice client, long offset)
    {
        byte[] data = new byte[4096];
        client.Read(offset, data);
        return data;
    }

    private sealed class SimulatedConnector(Scheduler scheduler, SimulatedServer server) : INbdConnector
    {
        public INbdTransport Connect(out Action handshakeIsOver)
        {
            scheduler.Yield();
            handshakeIsOver = static () => { };
            return server.Connect(new Random(1))?.ClientEnd ?? throw new IOException("away");
        }
    }

    private static byte[] Content(HookedDevice device, long offset)
    {
        byte[] data = new byte[4096];
        device.Content.Read(offset, data);
        return data;
    }
}
