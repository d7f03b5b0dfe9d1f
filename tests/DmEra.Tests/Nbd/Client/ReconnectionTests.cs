using DmEra.Devices;
using DmEra.Nbd.Client;
using DmEra.Nbd.Transport;
using DmEra.Simulation.Nbd;
using DmEra.Simulation.Scheduling;
using DmEra.Tests.Target;
using static DmEra.Tests.Nbd.Client.RestartedServer;

namespace DmEra.Tests.Nbd.Client;

/// <summary>Requests to servers that go away and come back, or not.</summary>
public sealed class ReconnectionTests : IDisposable
{
    private readonly RestartedServer _server = new();

    public void Dispose() => _server.Dispose();

    [Fact]
    public void Requests_wait_for_a_server_that_comes_back()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Write(0, First);
        _server.StopServing();

        Background[] requests =
        [
            Background.Run(() => client.Write(4096, Second)),
            Background.Run(() => client.Flush()),
            Background.Run(() => Assert.Equal(First, Read(client, 0))),
        ];
        Wait.Until(() => _server.LogCount == 1);
        _server.Serve(_server.Before);
        foreach (Background request in requests) request.Join();

        Assert.Equal(Second, Read(client, 4096));
        Assert.EndsWith("requests wait until it is back", _server.Log[0], StringComparison.Ordinal);
        Assert.EndsWith(": back", _server.Log[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_request_under_way_is_done_again()
    {
        using Gate gate = new();
        _server.Before.Before = _ => gate.Pass();
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        Background write = Background.Run(() => client.Write(0, First));
        gate.UntilArrived();

        // The reply will never come: the connection ends while the device is still busy.
        Background stop = Background.Run(_server.StopServing);
        Wait.Until(() => _server.LogCount == 1 || stop.IsDone);
        gate.Open();
        stop.Join();
        _server.Serve(_server.After);
        write.Join();

        Assert.Equal(First, Read(client, 0));
        Assert.Equal(First, Content(_server.After, 0));
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
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open();
        client.Read(0, new byte[1]);
        client.RefreshLength();
        _server.StopServing();
        using HookedDevice longer = new(2 * Size);
        _server.Serve(longer);

        client.RefreshLength();

        Assert.Equal(2 * Size, client.Length);
    }

    [Fact]
    public void Another_length_is_taken_only_by_who_asked_for_it()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open(new NbdClientOptions { RetryTime = TimeSpan.FromMilliseconds(150) });
        client.Read(0, new byte[1]);
        _server.StopServing();
        Assert.Throws<DeviceException>(client.RefreshLength);
        using HookedDevice longer = new(2 * Size);
        _server.Serve(longer);

        DeviceException fault = Assert.Throws<DeviceException>(() => client.Write(0, First));

        Assert.Contains("it is another export now", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_that_throws_ends_no_request()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = NbdBlockDevice.Open(
            _server.Uri,
            new NbdClientOptions { Log = static _ => throw new InvalidOperationException() });
        _server.StopServing();
        _server.Serve(_server.After);

        Assert.Equal(Blank, Read(client, 0));
    }

    [Fact]
    public void A_server_that_stays_away_fails_requests_in_the_end()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open(new NbdClientOptions { RetryTime = TimeSpan.FromMilliseconds(150) });
        _server.StopServing();

        DeviceException fault = Assert.Throws<DeviceException>(() => client.Read(0, new byte[1]));
        Assert.Equal(Errno.EIO, fault.Errno);
        Assert.Contains("cannot connect", fault.Message, StringComparison.Ordinal);

        _server.Serve(_server.Before);
        client.Read(0, new byte[1]);
    }

    [Fact]
    public void A_server_that_comes_back_with_another_disk_is_not_believed()
    {
        _server.Serve(_server.Before);
        using NbdBlockDevice client = _server.Open(new NbdClientOptions { RetryTime = TimeSpan.FromMilliseconds(150) });
        _server.StopServing();
        using HookedDevice other = new(2 * Size);
        _server.Serve(other);

        DeviceException fault = Assert.Throws<DeviceException>(() => client.Write(0, First));

        Assert.Contains("it is another export now", fault.Message, StringComparison.Ordinal);
        Assert.Equal(Blank, Content(other, 0));
    }

    [Fact]
    public void A_client_that_is_closed_lets_go_of_requests_that_wait()
    {
        _server.Serve(_server.Before);
        NbdBlockDevice client = _server.Open();
        _server.StopServing();
        int errno = 0;
        Background read = Background.Run(() => errno = Assert.Throws<DeviceException>(() => client.Read(0, new byte[1])).Errno);
        Wait.Until(() => _server.LogCount == 1);

        client.Dispose();
        read.Join();

        Assert.Equal(Errno.ESHUTDOWN, errno);
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
}
