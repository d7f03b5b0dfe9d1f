using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd;

public sealed class NbdTlsTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly TestAuthority _authority = new();
    private readonly MemoryBlockDevice _device = new(1 << 20);

    public void Dispose()
    {
        _device.Dispose();
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_client_can_start_tls_and_is_served()
    {
        using TestServer server = Serve(NbdTlsMode.On);
        using RawClient client = Greeted(server.EndPoint);
        StartTls(client);

        client.Go("disk");

        client.Send(Request(CmdWrite, 1, 100, 3, 0, [1, 2, 3]));
        client.Expect(SimpleReply(1));
        client.Send(Request(CmdRead, 2, 99, 500_000));
        client.Expect(SimpleReply(2, 0, [0, 1, 2, 3, .. new byte[499_996]]));
        client.Send(Request(CmdDisc, 3, 0, 0));
        client.ExpectClosed();
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public void Both_current_versions_are_spoken(SslProtocols version)
    {
        using TestServer server = Serve(NbdTlsMode.Require);
        using RawClient client = Greeted(server.EndPoint);

        StartTls(client, versions: version);

        client.Go("disk");
        client.ExpectAlive();
    }

    [Theory]
    [InlineData(1)]     // TLS 1.0
    [InlineData(2)]     // TLS 1.1
    public void A_client_that_was_talked_down_to_an_older_version_is_refused(byte minor)
    {
        using TestServer server = Serve(NbdTlsMode.Require);
        using RawClient client = Greeted(server.EndPoint);
        client.Negotiate(OptStartTls);
        byte[] hello = [3, minor, .. new byte[32], 0, 0, 4, 0xC0, 0x14, 0x00, 0x2F, 1, 0];
        byte[] message = [1, 0, 0, (byte)hello.Length, .. hello];

        client.Send([0x16, 3, minor, 0, (byte)message.Length, .. message]);

        // A fatal alert: protocol version.
        byte[] alert = client.Receive(7);
        Assert.Equal([0x15, 2, 70], [alert[0], .. alert[5..]]);
        client.ExpectClosed();
    }

    [Fact]
    public void Optional_tls_leaves_plain_clients_alone()
    {
        using TestServer server = Serve(NbdTlsMode.On);
        using RawClient client = Connected(server.EndPoint, "disk");

        client.ExpectAlive();
    }

    [Fact]
    public void A_server_without_tls_says_so()
    {
        using TestServer server = new(_device);
        using RawClient client = Greeted(server.EndPoint);

        Assert.Equal(RepErrPolicy, Assert.Single(client.Negotiate(OptStartTls)).Type);
        client.Go();
        client.ExpectAlive();
    }

    public static TheoryData<uint, byte[]> PlaintextOptions => new()
    {
        { OptList, [] },
        { OptInfo, ExportAndRequests("disk") },
        { OptGo, ExportAndRequests("disk") },
        { OptGo, ExportAndRequests("unknown") },
        { OptGo, [1, 2, 3] },
        { OptStructuredReply, [] },
        { OptExtendedHeaders, [] },
        { OptListMetaContext, Queries("disk") },
        { OptSetMetaContext, Queries("disk", "base:allocation") },
        { 99, [] },
    };

    [Theory, MemberData(nameof(PlaintextOptions))]
    public void Where_tls_is_required_no_plain_option_is_answered(uint option, byte[] data)
    {
        using TestServer server = Serve(NbdTlsMode.Require);
        using RawClient client = Greeted(server.EndPoint);

        Assert.Equal(RepErrTlsReqd, Assert.Single(client.Negotiate(option, data)).Type);

        StartTls(client);
        client.Go("disk");
        client.ExpectAlive();
    }

    [Fact]
    public void Where_tls_is_required_a_plain_export_name_ends_the_connection()
    {
        using TestServer server = Serve(NbdTlsMode.Require);
        using RawClient client = Greeted(server.EndPoint);

        client.Send(Option(OptExportName, "disk"u8.ToArray()));

        client.ExpectClosed();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Strangers_who_say_nothing_within_tls_do_not_keep_clients_out(bool isStarted)
    {
        using TestServer server = Serve(NbdTlsMode.Require, options: new NbdServerOptions { MaxConnections = 2 });
        List<RawClient> silent = [];
        for (int i = 0; i < NbdLimits.Handshakes + 10; i++)
        {
            silent.Add(Greeted(server.EndPoint));
            if (isStarted) StartTls(silent[i]);
            else Assert.Equal(RepAck, Assert.Single(silent[i].Negotiate(OptStartTls)).Type);
        }

        using RawClient client = Greeted(server.EndPoint);
        StartTls(client);
        client.Go("disk");
        client.ExpectAlive();
        Wait.Until(() => server.Server.ConnectionCount <= NbdLimits.Handshakes + 1);
        silent.ForEach(one => one.Dispose());
    }

    [Fact]
    public void Where_tls_is_required_a_plain_client_may_abort()
    {
        using TestServer server = Serve(NbdTlsMode.Require);
        using RawClient client = Greeted(server.EndPoint);

        Assert.Equal(RepAck, Assert.Single(client.Negotiate(OptAbort)).Type);
        client.ExpectClosed();
    }

    [Fact]
    public void Tls_is_started_once_and_without_data()
    {
        using TestServer server = Serve(NbdTlsMode.Require);
        using RawClient client = Greeted(server.EndPoint);

        Assert.Equal(RepErrInvalid, Assert.Single(client.Negotiate(OptStartTls, 1)).Type);
        StartTls(client);
        Assert.Equal(RepErrInvalid, Assert.Single(client.Negotiate(OptStartTls)).Type);
        client.Go("disk");
        client.ExpectAlive();
    }

    // CVE-2021-3716: options that somebody put in before TLS began changed how the client was answered within TLS.
    [Theory]
    [InlineData(OptStructuredReply)]
    [InlineData(OptExtendedHeaders)]
    public void Cve_2021_3716_options_injected_before_tls_are_forgotten(uint option)
    {
        using TestServer server = Serve(NbdTlsMode.On);
        using RawClient client = Greeted(server.EndPoint);
        client.Negotiate(option);
        client.Negotiate(OptSetMetaContext, Queries("disk", "x-test:blocks"));

        StartTls(client);
        client.Go("disk");

        client.Send(Request(CmdRead, 1, 0, 4));
        client.Expect(SimpleReply(1, 0, new byte[4]));
        client.Send(Request(CmdBlockStatus, 2, 0, 4096));
        client.Expect(SimpleReply(2, EInval));
    }

    // The same CVE the other way round: plain text behind STARTTLS must not be taken for what comes within TLS.
    [Fact]
    public void Cve_2021_3716_options_injected_behind_starttls_end_the_connection()
    {
        using TestServer server = Serve(NbdTlsMode.On);
        using RawClient client = Greeted(server.EndPoint);

        client.Send([.. Option(OptStartTls), .. Option(OptGo, ExportAndRequests("disk")), .. new byte[100]]);

        Assert.Equal(RepAck, Assert.Single(client.ReceiveOptionReplies(OptStartTls)).Type);
        server.AwaitConnections(0);
        Assert.Contains(server.Log.Notes, note => note.Contains("dropped: no TLS", StringComparison.Ordinal));
        Assert.Empty(server.Log.Faults);
    }

    [Fact]
    public void A_client_without_fixed_newstyle_cannot_start_tls()
    {
        using TestServer server = Serve(NbdTlsMode.On);
        using RawClient client = Greeted(server.EndPoint, clientFlags: 0);

        client.Send(Option(OptStartTls));

        client.ExpectClosed();
    }

    [Fact]
    public void A_client_that_leaves_in_the_middle_of_tls_is_forgotten()
    {
        using TestServer server = Serve(NbdTlsMode.On);
        using (RawClient client = Greeted(server.EndPoint))
        {
            client.Negotiate(OptStartTls);
            client.Send(0x16, 3, 1);
        }

        server.AwaitConnections(0);
        Assert.Empty(server.Log.Faults);
    }

    [Fact]
    public void A_client_that_stalls_in_the_middle_of_tls_is_dropped_in_time()
    {
        ManualTime time = new();
        using TestServer server = Serve(NbdTlsMode.On, options: new NbdServerOptions { Threads = time });
        using RawClient client = Greeted(server.EndPoint);
        client.Negotiate(OptStartTls);
        client.Send(0x16, 3, 1);

        time.Advance(TimeSpan.FromSeconds(10));

        client.ExpectClosed();
        server.AwaitConnections(0);
    }

    [Fact]
    public void A_verified_client_shows_a_certificate_of_the_authority()
    {
        using TestServer server = Serve(NbdTlsMode.Require, verifiesClients: true);
        using RawClient client = Greeted(server.EndPoint);

        StartTls(client, _authority.WriteClient(_folder["client"]));

        client.Go("disk");
        client.ExpectAlive();
    }

    [Theory]
    [InlineData("none")]
    [InlineData("expired")]
    [InlineData("of another authority")]
    public void A_client_with_no_good_certificate_is_dropped(string certificate)
    {
        using TestAuthority stranger = new();
        string? folder = certificate switch
        {
            "expired" => _authority.WriteExpiredClient(_folder["client"]),
            "of another authority" => stranger.WriteClient(_folder["client"]),
            _ => null,
        };
        using TestServer server = Serve(NbdTlsMode.Require, verifiesClients: true);
        using RawClient client = Greeted(server.EndPoint);

        // With TLS 1.3 the client learns of it only when it reads.
        Assert.ThrowsAny<Exception>(() =>
        {
            StartTls(client, folder);
            client.Go("disk");
        });

        server.AwaitConnections(0);
        Assert.Contains(server.Log.Notes, note => note.Contains("dropped: no TLS", StringComparison.Ordinal));
        Assert.Empty(server.Log.Faults);
    }

    [Theory]
    [InlineData("server-cert.pem")]
    [InlineData("server-key.pem")]
    [InlineData("ca-cert.pem")]
    public void A_missing_or_broken_file_is_named(string file)
    {
        string folder = _authority.WriteServer(_folder["server"]);
        File.WriteAllText(Path.Combine(folder, file), "nonsense");
        IOException broken = Assert.ThrowsAny<IOException>(
            () => NbdTls.FromDirectory(folder, NbdTlsMode.Require, verifiesClients: true));
        File.Delete(Path.Combine(folder, file));
        IOException missing = Assert.ThrowsAny<IOException>(
            () => NbdTls.FromDirectory(folder, NbdTlsMode.Require, verifiesClients: true));

        Assert.Contains(folder, broken.Message, StringComparison.Ordinal);
        Assert.Contains(file, missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Libnbd_copies_over_tls()
    {
        using TempFolder data = new();
        using FileBlockDevice disk = FileBlockDevice.Open(data.Sparse("disk", 8 << 20));
        using TestServer server = Serve(NbdTlsMode.Require, verifiesClients: true, device: disk);
        EndPoint tcp = server.Server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        string folder = _authority.WriteClient(_folder["client"]);
        byte[] content = new byte[8 << 20];
        new Random(3).NextBytes(content);
        File.WriteAllBytes(data["source"], content);

        string uri = $"nbds://localhost:{((IPEndPoint)tcp).Port}/disk?tls-certificates={folder}";
        Oracle.Run("nbdinfo", uri).AssertSuccess();
        Oracle.Run("nbdcopy", "--", data["source"], uri).AssertSuccess();
        Oracle.Run("nbdcopy", "--", uri, data["copy"]).AssertSuccess();
        string unix = $"nbds+unix:///disk?socket={server.SocketPath}&tls-certificates={folder}";
        Oracle.Run("nbdinfo", unix).AssertSuccess();

        Oracle.Run("cmp", data["source"], data["copy"]).AssertSuccess();
        Assert.NotEqual(0, Oracle.Run("nbdinfo", uri.Replace("nbds:", "nbd:", StringComparison.Ordinal)).ExitCode);
    }

    [Fact]
    public void Qemu_img_reads_over_tls()
    {
        using TestServer server = Serve(NbdTlsMode.Require, verifiesClients: true);
        EndPoint tcp = server.Server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        string folder = _authority.WriteClient(_folder["client"]);

        Oracle.Run(
            "qemu-img", "info", "--object", $"tls-creds-x509,id=tls,dir={folder},endpoint=client,verify-peer=yes",
            "--image-opts",
            $"driver=nbd,server.type=inet,server.host=localhost,server.port={((IPEndPoint)tcp).Port},export=disk,tls-creds=tls")
            .AssertSuccess();
    }

    private TestServer Serve(
        NbdTlsMode mode, bool verifiesClients = false, NbdServerOptions? options = null, IBlockDevice? device = null)
    {
        NbdTls tls = NbdTls.FromDirectory(_authority.WriteServer(_folder["server"]), mode, verifiesClients);
        return new TestServer(
            (options ?? new NbdServerOptions()) with { Tls = tls },
            new NbdExport(
                "disk", device ?? _device, new BlockStatusCatalog(new PatternContext("x-test:blocks", 4096, 0, 1))));
    }

    private static void StartTls(
        RawClient client, string? folder = null, SslProtocols versions = SslProtocols.Tls12 | SslProtocols.Tls13)
    {
        Assert.Equal(RepAck, Assert.Single(client.Negotiate(OptStartTls)).Type);
        SslStream tls = new(client.Stream);
        X509Certificate2Collection certificates = folder is null ? [] :
        [
            X509Certificate2.CreateFromPemFile(
                Path.Combine(folder, "client-cert.pem"), Path.Combine(folder, "client-key.pem")),
        ];
        tls.AuthenticateAsClient(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            EnabledSslProtocols = versions,
            ClientCertificates = certificates,
            LocalCertificateSelectionCallback =
                (_, _, local, _, _) => local.Count > 0 ? local[0] : null!,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate?.Subject == "CN=test server",
        });
        client.Stream = tls;
    }
}
