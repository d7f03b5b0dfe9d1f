using System.Net;
using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd;

public sealed class NbdServerTests
{
    private const int Size = 1 << 20;

    [Fact]
    public void A_tcp_address_is_served_too()
    {
        using NbdServer server = new([Export(new MemoryBlockDevice(Size))], new NbdServerOptions());
        EndPoint endPoint = server.Listen(new IPEndPoint(IPAddress.Loopback, 0));

        using RawClient client = Connected(endPoint);

        client.ExpectAlive();
        Assert.Equal(1, server.ConnectionCount);
    }

    [Fact]
    public void Several_addresses_lead_to_the_same_device()
    {
        using TestServer server = new(new MemoryBlockDevice(Size));
        EndPoint second = server.Server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        using RawClient writer = Connected(server.EndPoint);
        using RawClient reader = Connected(second);

        writer.Send(Request(CmdWrite, 1, 5, 1, 0, [42]));
        writer.Expect(SimpleReply(1));
        reader.Send(Request(CmdRead, 2, 5, 1));
        reader.Expect(SimpleReply(2, 0, [42]));
    }

    [Fact]
    public void The_socket_belongs_to_its_owner_alone_and_goes_with_the_server()
    {
        string path;
        using (TestServer server = new(new MemoryBlockDevice(Size)))
        {
            path = server.SocketPath;
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }

        Assert.False(File.Exists(path));
    }

    [Fact]
    public void A_socket_that_a_killed_server_left_is_replaced()
    {
        using TempFolder folder = new();
        UnixDomainSocketEndPoint endPoint = new(folder["left.sock"]);
        using (Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            left.Bind(endPoint);
            left.Listen();
            File.Move(folder["left.sock"], folder["moved"]);    // disposing removes it where it was bound
        }

        File.Move(folder["moved"], folder["left.sock"]);

        using NbdServer server = new([Export(new MemoryBlockDevice(Size))], new NbdServerOptions());
        using RawClient client = Connected(server.Listen(endPoint));
        client.ExpectAlive();
    }

    [Fact]
    public void A_socket_in_use_is_left_alone()
    {
        using TestServer first = new(new MemoryBlockDevice(Size));
        using NbdServer second = new([Export(new MemoryBlockDevice(Size))], new NbdServerOptions());

        IOException refusal = Assert.Throws<IOException>(() => second.Listen(first.EndPoint));

        Assert.StartsWith($"{first.SocketPath}: another server listens there", refusal.Message, StringComparison.Ordinal);
        using RawClient client = Connected(first.EndPoint);
        client.ExpectAlive();
    }

    [Fact]
    public void A_file_that_is_no_socket_is_left_alone()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["precious"], "data");
        using NbdServer server = new([Export(new MemoryBlockDevice(Size))], new NbdServerOptions());

        Assert.Throws<IOException>(() => server.Listen(new UnixDomainSocketEndPoint(folder["precious"])));

        Assert.Equal("data", File.ReadAllText(folder["precious"]));
    }

    [Fact]
    public void Exports_need_names_of_their_own_that_are_not_too_long()
    {
        NbdExport disk = Export(new MemoryBlockDevice(Size));
        NbdServerOptions options = new();

        Assert.Throws<ArgumentException>(() => new NbdServer([], options));
        Assert.Throws<ArgumentException>(() => new NbdServer([disk, disk], options));
        Assert.Throws<ArgumentException>(() => new NbdServer([disk with { Name = new string('x', 4097) }], options));
    }

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
    public void Thousands_of_clients_come_and_go()
    {
        // All of them may be there at once: the server learns late of clients that leave.
        using TestServer server = new(new NbdServerOptions { MaxConnections = 2000 }, Export(new MemoryBlockDevice(Size)));
        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, _ =>
        {
            for (int i = 0; i < 500; i++)
            {
                using RawClient client = Connected(server.EndPoint);
                client.Send(Request(CmdRead, 1, 0, 16));
                if (i % 2 == 0) client.Expect(SimpleReply(1, 0, new byte[16]));
            }
        });

        server.AwaitConnections(0);
        Assert.Empty(server.Log.Faults);
    }

    [Fact]
    public void Clients_that_leave_in_the_middle_of_requests_do_no_harm()
    {
        using HookedDevice device = new(Size);
        using TestServer server = new(device);
        for (int i = 0; i < 200; i++)
        {
            device.IsReady = i % 2 == 0;
            using RawClient client = Connected(server.EndPoint);
            client.Send(
            [
                .. Request(CmdRead, 1, 0, Size), .. Request(CmdRead, 2, 0, 100_000),
                .. Request(CmdWrite, 3, 0, 100_000, 0, new byte[100_000]), .. Request(CmdRead, 4, 0, 100_000)[..(i % 28)],
            ]);
        }

        server.AwaitConnections(0);
        Assert.Empty(server.Log.Faults);
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
        TimeSpan limit = TimeSpan.FromSeconds(2);
        using TestServer server = new(new NbdServerOptions { DrainTimeout = limit }, Export(device));
        using RawClient client = Connected(server.EndPoint);
        client.Send(Request(CmdFlush, 1, 0, 0));
        Wait.For(arrived);

        long start = TimeProvider.System.GetTimestamp();
        server.Server.Stop();
        TimeSpan taken = TimeProvider.System.GetElapsedTime(start);
        gate.Set();

        Assert.InRange(taken, limit * 0.9, limit * 1.9);
        Assert.Contains("stopped while the device still holds requests of clients that are gone", server.Log.Notes);
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

    [Fact]
    public void A_log_that_throws_disturbs_nobody()
    {
        using NbdServer server = new(
            [Export(new MemoryBlockDevice(Size))], new NbdServerOptions { MaxConnections = 1, Log = new BrokenLog() });
        EndPoint endPoint = server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        using RawClient client = Connected(endPoint);
        using (RawClient turnedAway = new(endPoint)) turnedAway.ExpectClosed();

        client.ExpectAlive();
        client.Send(new byte[28]);
        client.ExpectClosed();

        Wait.Until(() => server.ConnectionCount == 0);
        using RawClient next = Connected(endPoint);
        next.ExpectAlive();
    }

    [Fact]
    public void Nobody_is_let_in_after_a_stop()
    {
        using TestServer server = new(new MemoryBlockDevice(Size));
        server.Server.Stop();

        Assert.Throws<SocketException>(() => new RawClient(server.EndPoint));
        Assert.Throws<ObjectDisposedException>(() => server.Server.Listen(new IPEndPoint(IPAddress.Loopback, 0)));
    }

    [Theory]
    [MemberData(nameof(Seeds.For), 8, MemberType = typeof(Seeds))]
    public void Random_requests_on_several_connections_read_what_was_written_last(int seed)
    {
        const int Connections = 4;
        using HookedDevice device = new(Connections * Size);
        using TestServer server = new(device);

        // Each connection has a quarter of the device to itself, and a model of it.
        Parallel.For(0, Connections, new ParallelOptions { MaxDegreeOfParallelism = Connections }, index =>
        {
            Random random = new((seed * 100) + index);
            byte[] model = new byte[Size];
            using RawClient client = Connected(server.EndPoint);
            for (uint cookie = 0; cookie < 300; cookie++)
            {
                device.IsReady = random.Next(2) == 0;
                int offset = random.Next(Size);
                int length = Math.Min(1 << random.Next(20), Size - offset);
                ulong position = (ulong)((index * Size) + offset);
                switch (random.Next(4))
                {
                    case 0:
                        client.Send(Request(CmdRead, cookie, position, (uint)length));
                        client.Expect(SimpleReply(cookie));
                        Assert.True(
                            model.AsSpan(offset, length).SequenceEqual(client.Receive(length)), $"seed {seed}");
                        break;
                    case 1:
                        client.Send(Request(CmdWriteZeroes, cookie, position, (uint)length));
                        client.Expect(SimpleReply(cookie));
                        model.AsSpan(offset, length).Clear();
                        break;
                    default:
                        random.NextBytes(model.AsSpan(offset, length));
                        client.Send(Request(
                            CmdWrite, cookie, position, (uint)length, 0, model[offset..(offset + length)]));
                        client.Expect(SimpleReply(cookie));
                        break;
                }
            }
        });
    }

    private static NbdExport Export(IBlockDevice device) => new("disk", device, new BlockStatusCatalog());

    private sealed class BrokenLog : INbdLog
    {
        public void Note(string message) => throw new InvalidOperationException("a bug");

        public void Fault(string message, Exception cause) => throw new InvalidOperationException("a bug");
    }
}
