using System.Net;
using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd;

/// <summary>Who is let in, and how much those who are can hold of what all share.</summary>
public sealed class NbdServerAdmissionTests
{
    private const int Size = 1 << 20;

    private static NbdExport Export(IBlockDevice device) => new("disk", device, new BlockStatusCatalog());

    [Fact]
    public void Clients_beyond_the_limit_are_turned_away_until_one_leaves()
    {
        using TestServer server = new(
            new NbdServerOptions { MaxConnections = 2 }, Export(new MemoryBlockDevice(Size)));
        using RawClient first = Connected(server.EndPoint);
        RawClient second = Connected(server.EndPoint);

        using (RawClient third = new(server.EndPoint)) third.ExpectClosed();
        second.Dispose();
        server.AwaitConnections(1);

        using RawClient fourth = Connected(server.EndPoint);
        fourth.ExpectAlive();
        first.ExpectAlive();
        Assert.Contains("client 3 (unix): turned away, 2 clients are served already", server.Log.Notes);
    }

    [Fact]
    public void Clients_that_a_higher_limit_lets_in_do_not_wait_for_each_others_requests()
    {
        using CountdownEvent arrived = new(3);
        using ManualResetEventSlim gate = new();
        HookedDevice device = new(Size)
        {
            Before = call =>
            {
                if (call.Operation != "flush") return;
                arrived.Signal();
                Wait.For(gate);
            },
        };
        NbdServerOptions options = new() { MaxConnections = 1, BusyWorkers = 1 };
        using TestServer server = new(options, Export(device));
        server.Server.Change(options with { MaxConnections = 3 });
        List<RawClient> clients = [.. Enumerable.Range(0, 3).Select(_ => Connected(server.EndPoint))];
        foreach (RawClient client in clients) client.Send(Request(CmdFlush, 1, 0, 0));

        Wait.Until(() => arrived.IsSet);
        gate.Set();
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public void Clients_of_addresses_that_are_not_allowed_are_turned_away()
    {
        NbdServerOptions options = new() { AllowedNetworks = [IPNetwork.Parse("127.0.0.7/32")] };
        using TestServer server = new(options, Export(new MemoryBlockDevice(Size)));
        EndPoint tcp = server.Server.Listen(new IPEndPoint(IPAddress.Loopback, 0));

        using (RawClient refused = new(tcp)) refused.ExpectClosed();
        using RawClient local = Connected(server.EndPoint);

        local.ExpectAlive();
        Assert.Contains(
            server.Log.Notes, note => note.EndsWith("turned away, its address is not allowed", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("127.1.2.3", true)]
    [InlineData("::1", true)]
    [InlineData("::ffff:127.0.0.1", true)]
    [InlineData("192.168.1.1", false)]
    [InlineData("::ffff:192.168.1.1", false)]
    [InlineData("fe80::1", false)]
    public void Only_this_machine_is_let_in_over_tcp_unless_others_are_allowed(string address, bool allowed) =>
        Assert.Equal(allowed, new NbdServerOptions().Allows(IPAddress.Parse(address)));

    [Fact]
    public void Other_machines_need_tls_or_leave_to_do_without()
    {
        NbdServerOptions open = new() { AllowedNetworks = [IPNetwork.Parse("10.0.0.0/8")] };

        Assert.Throws<ArgumentException>(() => new NbdServer([Export(new MemoryBlockDevice(Size))], open));
        using NbdServer insecure = new(
            [Export(new MemoryBlockDevice(Size))], open with { AllowsPlaintextFromAfar = true });
    }

    // CVE-2024-7409: clients that never finish the handshake used a server's connections up, and crashed it at its end.
    [Fact]
    public void Cve_2024_7409_a_client_that_does_not_choose_an_export_in_time_is_dropped()
    {
        ManualTime time = new();
        using TestServer server = new(
            new NbdServerOptions { Threads = time, HandshakeTimeout = TimeSpan.FromSeconds(10) },
            Export(new MemoryBlockDevice(Size)));
        using RawClient silent = new(server.EndPoint);
        silent.Receive(18);
        using RawClient slow = Greeted(server.EndPoint);
        slow.Send(Option(OptGo, ExportAndRequests("disk"))[..^1]);
        using RawClient served = Connected(server.EndPoint);
        server.AwaitConnections(3);

        time.Advance(TimeSpan.FromSeconds(10));

        silent.ExpectClosed();
        slow.ExpectClosed();
        served.ExpectAlive();
        server.AwaitConnections(1);
    }

    [Fact]
    public void Cve_2024_7409_clients_that_negotiate_for_ever_do_not_keep_others_out_for_ever()
    {
        ManualTime time = new();
        using TestServer server = new(
            new NbdServerOptions { Threads = time, HandshakeTimeout = TimeSpan.FromSeconds(10), MaxConnections = 1 },
            Export(new MemoryBlockDevice(Size)));
        List<RawClient> silent = [.. Enumerable.Range(0, 20).Select(_ => new RawClient(server.EndPoint))];
        server.AwaitConnections(20);
        foreach (RawClient client in silent) client.Receive(18);    // its timer is set by now

        using RawClient served = Connected(server.EndPoint);
        served.ExpectAlive();
        time.Advance(TimeSpan.FromSeconds(10));
        server.AwaitConnections(1);

        served.ExpectAlive();
        silent.ForEach(client => client.Dispose());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Strangers_who_say_nothing_do_not_keep_clients_out(bool tcp)
    {
        using TestServer server = new(
            new NbdServerOptions { MaxConnections = 2 }, Export(new MemoryBlockDevice(Size)));
        EndPoint endPoint = tcp ? server.Server.Listen(new IPEndPoint(IPAddress.Loopback, 0)) : server.EndPoint;
        List<RawClient> silent = [];
        for (int i = 0; i < 300; i++)
        {
            silent.Add(new RawClient(endPoint));
            if (i % 100 != 99) continue;
            using RawClient client = Connected(endPoint);
            client.ExpectAlive();
        }

        silent[0].Receive(18);
        silent[0].ExpectClosed();
        Wait.Until(() => server.Server.ConnectionCount <= NbdLimits.Handshakes + 1);
        Assert.Contains("client 1 ", string.Join('\n', server.Log.Notes), StringComparison.Ordinal);
        silent.ForEach(client => client.Dispose());
    }

    [Fact]
    public void All_clients_may_come_at_once()
    {
        const int Clients = 150;
        using TestServer server = new(
            new NbdServerOptions { MaxConnections = Clients }, Export(new MemoryBlockDevice(Size)));
        List<RawClient> clients = [.. Enumerable.Range(0, Clients).Select(_ => Greeted(server.EndPoint))];

        foreach (RawClient client in clients) client.Go();
        foreach (RawClient client in clients) client.ExpectAlive();

        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public void A_client_that_chooses_an_export_when_the_server_is_full_is_told_so()
    {
        using TestServer server = new(
            new NbdServerOptions { MaxConnections = 1 }, Export(new MemoryBlockDevice(Size)));
        using RawClient late = Greeted(server.EndPoint);
        using RawClient old = Greeted(server.EndPoint);
        RawClient served = Connected(server.EndPoint);

        OptionReply refusal = late.Negotiate(OptGo, ExportAndRequests("disk"))[^1];
        old.Send(Option(OptExportName));

        Assert.Equal((RepErrPolicy, "1 clients are served already"), (refusal.Type, refusal.Text));
        old.ExpectClosed();
        served.ExpectAlive();
        served.Dispose();
        Wait.Until(() => late.Negotiate(OptGo, ExportAndRequests("disk"))[^1].Type == RepAck);
        late.ExpectAlive();
    }

    [Theory]
    [InlineData(1 << 20)]
    [InlineData(0)]
    public void Clients_that_never_read_can_hold_no_more_than_there_is_to_share(int sharedBytes)
    {
        const int Greedy = 12;
        const int Long = 8 << 20;
        using HookedDevice device = new(Long);
        byte[] content = new byte[Long];
        new Random(1).NextBytes(content);
        device.Content.Write(0, content);
        using TestServer server = new(new NbdServerOptions { SharedBytes = sharedBytes }, Export(device));
        List<RawClient> greedy = [.. Enumerable.Range(0, Greedy).Select(_ => Connected(server.EndPoint))];
        foreach (RawClient client in greedy)
        {
            for (uint i = 0; i < 4; i++) client.Send([.. Request(CmdRead, i, 0, Long), .. Request(CmdRead, i, 0, 300_000)]);
        }

        using (RawClient reader = Connected(server.EndPoint))
        {
            for (uint i = 0; i < 3; i++)
            {
                reader.Send(Request(CmdRead, i, 0, Long));
                reader.Expect(SimpleReply(i));
                Assert.True(content.AsSpan().SequenceEqual(reader.Receive(Long)));
            }
        }

        Assert.InRange(server.Server.Buffers.LentBytes, 0, sharedBytes + ((Greedy + 1) * (NbdLimits.OwnBytes + (1 << 20))));
        greedy.ForEach(client => client.Dispose());
        server.AwaitConnections(0);
        Wait.Until(() => server.Server.Buffers.LentBytes == 0);
    }

    [Fact]
    public void Clients_that_do_not_take_their_replies_do_not_disturb_others()
    {
        using HookedDevice device = new(Size);
        using TestServer server = new(
            new NbdServerOptions { DrainTimeout = TimeSpan.FromMilliseconds(200) }, Export(device));
        List<RawClient> stuck = [];
        for (int i = 0; i < 10; i++)
        {
            stuck.Add(Connected(server.EndPoint));
            for (uint j = 0; j < 40; j++) stuck[i].Send(Request(CmdRead, j, 0, Size));
        }

        using RawClient client = Connected(server.EndPoint);
        client.Send(Request(CmdRead, 1, 0, 512));
        client.Expect(SimpleReply(1, 0, new byte[512]));
        stuck.ForEach(one => one.Dispose());
        server.AwaitConnections(1);
    }
}
