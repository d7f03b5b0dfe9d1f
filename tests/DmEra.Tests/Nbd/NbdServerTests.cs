using System.Net;
using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd;

public sealed class NbdServerTests
{
    private const int Size = 1 << 20;

    private static NbdExport Export(IBlockDevice device) => new("disk", device, new BlockStatusCatalog());

    private sealed class BrokenLog : INbdLog
    {
        public void Note(string message) => throw new InvalidOperationException("a bug");

        public void Fault(string message, Exception cause) => throw new InvalidOperationException("a bug");
    }

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

        Assert.Throws<ArgumentException>(() => new NbdServer([disk, disk], options));
        Assert.Throws<ArgumentException>(() => new NbdServer([disk with { Name = new string('x', 4097) }], options));
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
}
