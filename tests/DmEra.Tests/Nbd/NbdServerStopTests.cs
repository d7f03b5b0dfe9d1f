using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Tests.Target;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd;

/// <summary>How a server ends: what has arrived is served, and nobody can keep it from ending.</summary>
public sealed class NbdServerStopTests
{
    private const int Size = 1 << 20;

    private static NbdExport Export(IBlockDevice device) => new("disk", device, new BlockStatusCatalog());

    [Fact]
    public void Cve_2024_7409_a_server_stops_while_clients_are_in_the_handshake()
    {
        List<RawClient> clients = [];
        using (TestServer server = new(new MemoryBlockDevice(Size)))
        {
            for (int i = 0; i < 50; i++) clients.Add(new RawClient(server.EndPoint));
            server.AwaitConnections(50);
        }

        foreach (RawClient client in clients)
        {
            client.Receive(18);
            client.ExpectClosed();
            client.Dispose();
        }
    }

    [Fact]
    public void Stopping_serves_what_has_arrived()
    {
        using ManualResetEventSlim arrived = new();
        using ManualResetEventSlim gate = new();
        using HookedDevice device = new(Size);
        device.Before = _ =>
        {
            arrived.Set();
            Wait.For(gate);
        };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);
        client.Send(Request(CmdWrite, 1, 0, 4, 0, [1, 2, 3, 4]));
        Wait.For(arrived);

        Thread stopping = new(server.Server.Stop);
        stopping.Start();
        gate.Set();

        client.Expect(SimpleReply(1));
        client.ExpectClosed();
        Assert.True(stopping.Join(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public void Stopping_does_not_wait_for_ever_for_clients_that_do_not_take_their_replies()
    {
        using HookedDevice device = new(Size);
        using TestServer server = new(
            new NbdServerOptions { DrainTimeout = TimeSpan.FromMilliseconds(200) }, Export(device));
        using RawClient stuck = Connected(server.EndPoint);
        using RawClient stuckInline = Connected(server.EndPoint);
        for (uint i = 0; i < 20; i++) stuck.Send(Request(CmdRead, i, 0, Size));
        device.IsReady = true;
        for (uint i = 0; i < 20; i++) stuckInline.Send(Request(CmdRead, i, 0, 200_000));
        server.AwaitConnections(2);

        server.Server.Stop();

        server.AwaitConnections(0);
    }

    [Fact]
    public void Stopping_takes_no_longer_than_it_may_whatever_the_device_does()
    {
        using ManualResetEventSlim arrived = new();
        using ManualResetEventSlim gate = new();
        using HookedDevice device = new(Size);
        device.Before = _ =>
        {
            arrived.Set();
            Wait.For(gate);
        };
        using TestServer server = new(new NbdServerOptions { DrainTimeout = TimeSpan.FromSeconds(1) }, Export(device));
        using RawClient client = Connected(server.EndPoint);
        client.Send(Request(CmdFlush, 1, 0, 0));
        Wait.For(arrived);

        Background.Run(server.Server.Stop).Join();
        gate.Set();

        Assert.Contains("stopped while the device still holds requests of clients that are gone", server.Log.Notes);
    }

    [Fact]
    public void Nobody_is_let_in_after_a_stop()
    {
        using TestServer server = new(new MemoryBlockDevice(Size));
        server.Server.Stop();

        Assert.Throws<SocketException>(() => new RawClient(server.EndPoint));
        string path = $"{server.SocketPath}.late";
        IOException refusal = Assert.Throws<IOException>(() => server.Server.Listen(new UnixDomainSocketEndPoint(path)));
        Assert.Equal($"{path}: the server has been stopped; start another one", refusal.Message);
        Assert.False(File.Exists(path));
    }
}
