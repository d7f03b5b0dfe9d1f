using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Client;
using DmEra.Tests.Target;

namespace DmEra.Tests.Nbd.Client;

/// <summary>The client on the project's own server.</summary>
public sealed class NbdBlockDeviceTests : IDisposable
{
    private const int Size = 8 << 20;

    private readonly TempFolder _folder = new();
    private readonly TestAuthority _authority = new();
    private readonly HookedDevice _device = new(Size);

    public void Dispose()
    {
        _device.Dispose();
        _authority.Dispose();
        _folder.Dispose();
    }

    [Theory, MemberData(nameof(Seeds.For), 10, MemberType = typeof(Seeds))]
    public void Reads_what_was_written_last(int seed)
    {
        Random random = new(seed);
        _device.IsReady = random.Next(2) == 0;
        using TestServer server = new(_device);
        using NbdBlockDevice client = Open(server);
        using MemoryBlockDevice model = new(Size);
        Assert.Equal(Size, client.Length);
        for (int i = 0; i < 300; i++)
        {
            long offset = random.NextInt64(Size);
            int length = (int)Math.Min(random.Next(10) == 0 ? random.Next(1 << 20) : random.Next(9000), Size - offset);
            byte[] data = new byte[length];
            switch (random.Next(4))
            {
                case 0:
                    client.WriteZeroes(offset, length, ZeroingMode.KeepAllocated);
                    model.WriteZeroes(offset, length, ZeroingMode.KeepAllocated);
                    break;
                case 1:
                    byte[] expected = new byte[length];
                    client.Read(offset, data);
                    model.Read(offset, expected);
                    Assert.Equal(expected, data);
                    break;
                default:
                    random.NextBytes(data);
                    client.Write(offset, data);
                    model.Write(offset, data);
                    break;
            }
        }
    }

    [Fact]
    public void Longer_requests_than_the_server_takes_are_split()
    {
        using MemoryBlockDevice big = new(40 << 20);
        using TestServer server = new(big);
        using NbdBlockDevice client = Open(server);
        byte[] data = new byte[40 << 20];
        new Random(1).NextBytes(data);

        client.Write(0, data);
        byte[] read = new byte[data.Length];
        client.Read(0, read);

        Assert.True(data.AsSpan().SequenceEqual(read));
    }

    [Fact]
    public void As_many_requests_are_under_way_as_there_are_threads_that_ask()
    {
        const int Threads = 40;
        using Barrier barrier = new(Threads);
        _device.Before = _ => Assert.True(barrier.SignalAndWait(TimeSpan.FromSeconds(30)));
        using TestServer server = new(_device);
        using NbdBlockDevice client = Open(server);

        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(i => new Thread(() => client.Read(i, new byte[1])))];
        foreach (Thread thread in threads) thread.Start();

        foreach (Thread thread in threads) Assert.True(thread.Join(TimeSpan.FromSeconds(30)));
        Assert.Equal(4, server.Server.ConnectionCount);
    }

    [Fact]
    public void Every_kind_of_request_arrives_as_it_was_meant()
    {
        List<string> calls = [];
        _device.Before = call => calls.Add($"{call.Operation} {call.Offset}+{call.Length}");
        using TestServer server = new(_device);
        using NbdBlockDevice client = Open(server);

        client.Trim(1, 2);
        client.WriteZeroes(3, 4, ZeroingMode.MayDeallocate);
        client.WriteZeroes(3, 4, ZeroingMode.KeepAllocated);
        client.WriteZeroes(3, 4, ZeroingMode.FastOnly);
        client.WriteZeroes(3, 4, ZeroingMode.FastOnlyKeepAllocated);
        client.Prefetch(5, 6);
        Wait.Until(() => calls.Count == 6);
        client.Flush();

        Assert.Equal(
            [
                "trim 1+2", "zero MayDeallocate 3+4", "zero KeepAllocated 3+4", "zero FastOnly 3+4",
                "zero FastOnlyKeepAllocated 3+4", "prefetch 5+6", "flush 0+0",
            ],
            calls);
    }

    [Fact]
    public void Prefetching_waits_for_nothing_and_is_never_too_much()
    {
        using Gate gate = new();
        int hints = 0;
        _device.Before = call =>
        {
            if (call.Operation != "prefetch") return;
            Interlocked.Increment(ref hints);
            gate.Pass();
            throw new DeviceException("a hint that fails harms nobody", Errno.EIO);
        };
        using TestServer server = new(_device);
        using NbdBlockDevice client = Open(server);

        for (int i = 0; i < 10_000; i++) client.Prefetch(0, 4096);
        gate.UntilArrived();
        gate.Open();
        client.Read(0, new byte[4096]);

        Wait.Until(() => Volatile.Read(ref hints) > 0);
        Assert.InRange(Volatile.Read(ref hints), 1, 4 * 64);
    }

    [Theory]
    [InlineData(Errno.ENOSPC, Errno.ENOSPC)]
    [InlineData(Errno.EPERM, Errno.EPERM)]
    [InlineData(Errno.ENOTSUP, Errno.ENOTSUP)]
    [InlineData(Errno.EBUSY, Errno.EIO)]
    public void Faults_of_the_device_come_through(int errno, int expected)
    {
        _device.Before = _ => throw new DeviceException("disk", errno);
        using TestServer server = new(_device);
        using NbdBlockDevice client = Open(server);

        DeviceException fault = Assert.Throws<DeviceException>(() => client.WriteZeroes(512, 1, ZeroingMode.FastOnly));

        Assert.Equal(expected, fault.Errno);
        Assert.Contains("cannot writezeroes at byte 512", fault.Message, StringComparison.Ordinal);
        _device.Before = null;
        client.Write(0, new byte[1]);
    }

    [Fact]
    public void Holes_are_told()
    {
        using FileBlockDevice file = FileBlockDevice.Open(_folder.Sparse("disk", Size));
        file.Write(1 << 20, new byte[4096]);
        using TestServer server = new(new NbdExport("disk", file, new BlockStatusCatalog(new AllocationContext(file))));
        using NbdBlockDevice client = Open(server);
        IBlockStatusContext context = client.Contexts.Find("base:allocation")!;
        List<Extent> extents = [];

        context.Describe(0, Size, int.MaxValue, extents);
        Assert.Equal([new Extent(1 << 20, 3), new Extent(4096, 0), new Extent(Size - (1 << 20) - 4096, 3)], extents);
        extents.Clear();
        context.Describe(4096, Size - 4096, 1, extents);
        Assert.Equal([new Extent((1 << 20) - 4096, 3)], extents);
    }

    [Fact]
    public void A_server_without_holes_has_no_such_context()
    {
        using TestServer server = new(_device);
        using NbdBlockDevice client = Open(server);

        Assert.Empty(client.Contexts.Names);
    }

    [Fact]
    public void What_the_server_says_of_itself_is_known()
    {
        using TestServer server = new(new NbdExport("", _device, new BlockStatusCatalog()) { IsReadOnly = true, MinimumBlock = 512 });
        using NbdBlockDevice client = Open(server);

        Assert.True(client.IsReadOnly);
        Assert.Equal(512, client.MinimumBlock);
    }

    [Fact]
    public void A_device_that_grows_is_as_long_as_it_is_when_looked_at_again()
    {
        using FileBlockDevice file = FileBlockDevice.Open(_folder.Sparse("disk", Size));
        using TestServer server = new(file);
        using NbdBlockDevice client = Open(server);
        client.Write(0, [1]);
        Assert.True(file.TryExtend(2 * Size));
        Assert.Equal(Size, client.Length);

        client.RefreshLength();

        Assert.Equal(2 * Size, client.Length);
        client.Write((2 * Size) - 1, [1]);
    }

    [Fact]
    public void Over_tls_both_sides_show_their_certificates()
    {
        using TestServer server = ServeTls();
        string folder = _authority.WriteClient(_folder["client"]);
        using NbdBlockDevice client = NbdBlockDevice.Open(
            NbdUri.Parse($"nbds+unix:///?socket={server.SocketPath}&tls-certificates={folder}"), new NbdClientOptions());
        byte[] data = new byte[200_000];
        new Random(1).NextBytes(data);

        client.Write(7, data);
        byte[] read = new byte[data.Length];
        client.Read(7, read);

        Assert.Equal(data, read);
    }

    [Theory]
    [InlineData("nbd", "", "the server wants TLS: say nbds instead of nbd")]
    [InlineData("nbds", "&tls-hostname=example.org", "no TLS")]
    [InlineData("nbds", "&tls-certificates=stranger", "no TLS")]
    [InlineData("nbds", "&tls-certificates=missing", "missing/ca-cert.pem")]
    public void Without_the_right_certificate_there_is_no_connection(string scheme, string parameters, string why)
    {
        using TestServer server = ServeTls();
        using TestAuthority stranger = new();
        string own = _authority.WriteClient(_folder["client"]);
        string foreign = stranger.WriteClient(_folder["stranger"]);
        string query = parameters.Contains("certificates", StringComparison.Ordinal)
            ? parameters.Replace("stranger", foreign, StringComparison.Ordinal).Replace("missing", _folder["missing"], StringComparison.Ordinal)
            : $"{parameters}&tls-certificates={own}";
        NbdUri uri = NbdUri.Parse($"{scheme}+unix:///?socket={server.SocketPath}{query}");

        Assert.Contains(
            why, Assert.ThrowsAny<IOException>(() => NbdBlockDevice.Open(uri, new NbdClientOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_whose_certificate_has_expired_is_not_trusted()
    {
        using TestServer server = ServeTls(_authority.WriteExpiredServer(_folder["server"]));
        NbdUri uri = NbdUri.Parse(
            $"nbds+unix:///?socket={server.SocketPath}&tls-certificates={_authority.WriteClient(_folder["client"])}");

        IOException fault = Assert.ThrowsAny<IOException>(() => NbdBlockDevice.Open(uri, new NbdClientOptions()));

        Assert.Contains("no TLS", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_is_not_there_or_has_no_such_export_is_told_at_once()
    {
        using TestServer server = new(
            new NbdExport("a", _device, new BlockStatusCatalog()), new NbdExport("b", _device, new BlockStatusCatalog()));
        string missing = _folder["missing"];

        Assert.Contains("no export of that name", Refusal($"nbd+unix:///c?socket={server.SocketPath}"), StringComparison.Ordinal);
        Assert.Contains("cannot connect", Refusal($"nbd+unix:///c?socket={missing}"), StringComparison.Ordinal);

        static string Refusal(string uri) =>
            Assert.ThrowsAny<IOException>(() => NbdBlockDevice.Open(NbdUri.Parse(uri), new NbdClientOptions())).Message;
    }

    private TestServer ServeTls(string? certificates = null) => new(
        new NbdServerOptions
        {
            Tls = NbdTls.FromDirectory(
                certificates ?? _authority.WriteServer(_folder["server"]), NbdTlsMode.Require, verifiesClients: true),
        },
        new NbdExport("disk", _device, new BlockStatusCatalog()));

    private static NbdBlockDevice Open(TestServer server) => NbdBlockDevice.Open(NbdUri.Parse(server.Uri), new NbdClientOptions());
}
