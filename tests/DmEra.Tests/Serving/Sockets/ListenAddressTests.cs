using System.Net;
using System.Net.Sockets;
using DmEra.Nbd;
using DmEra.Serving;
using DmEra.Serving.Sockets;

namespace DmEra.Tests.Serving.Sockets;

public sealed class ListenAddressTests
{
    [Theory]
    [InlineData("tcp:127.0.0.1:10809", "127.0.0.1:10809")]
    [InlineData("tcp:[::1]:0", "[::1]:0")]
    public void Tcp_addresses_are_read(string text, string endPoint)
    {
        Assert.Equal(IPEndPoint.Parse(endPoint), ListenAddress.Parse(text).EndPoint);
    }

    [Fact]
    public void A_host_name_is_looked_up()
    {
        ListenAddress address = ListenAddress.Parse("tcp:localhost:1234");

        Assert.True(IPAddress.IsLoopback(((IPEndPoint)address.EndPoint).Address));
    }

    [Theory]
    [InlineData("unix:/run/x y.sock", "/run/x y.sock")]
    [InlineData("unix:/a/../b", "/b")]
    public void Unix_paths_become_whole(string text, string path) =>
        Assert.Equal(path, ListenAddress.Parse(text).EndPoint.ToString());

    [Fact]
    public void A_path_that_no_socket_can_have_is_refused()
    {
        string path = "/" + new string('x', 107);

        string message = Assert.Throws<IOException>(() => ListenAddress.Parse($"unix:{path}")).Message;
        Assert.StartsWith($"{path}: these 108 bytes are more than", message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("unix")]
    [InlineData("unix:")]
    [InlineData("/run/x")]
    [InlineData("tcp:")]
    [InlineData("tcp::80")]
    [InlineData("tcp:host")]
    [InlineData("tcp:host:")]
    [InlineData("tcp:host:-1")]
    [InlineData("tcp:host:99999")]
    public void Other_forms_are_refused(string text) =>
        Assert.Throws<SettingsException>(() => ListenAddress.Parse(text));

    [Fact]
    public void Uris_can_be_pasted_whatever_the_names_hold()
    {
        ListenAddress unix = ListenAddress.Unix("/run/my era/ä&b#c.nbd");
        ListenAddress tcp = ListenAddress.Parse("tcp:[::1]:0");

        Assert.Equal(
            "nbd+unix:///my%20disk%3F?socket=/run/my%20era/%C3%A4%26b%23c.nbd", unix.Uri("my disk?", unix.EndPoint, needsTls: false));
        Assert.Equal(
            "nbd+unix:///pool%2Fdisk?socket=/run/my%20era/%C3%A4%26b%23c.nbd", unix.Uri("pool/disk", unix.EndPoint, needsTls: false));
        Assert.Equal("nbd://[::1]:4711/disk", tcp.Uri("disk", new IPEndPoint(IPAddress.IPv6Loopback, 4711), needsTls: false));
    }

    [Fact]
    public void Uris_say_that_tls_is_needed()
    {
        ListenAddress unix = ListenAddress.Unix("/run/x");
        ListenAddress tcp = ListenAddress.Parse("tcp:localhost:4711");

        Assert.Equal("nbds+unix:///disk?socket=/run/x", unix.Uri("disk", unix.EndPoint, needsTls: true));
        Assert.Equal("nbds://localhost:4711/disk", tcp.Uri("disk", tcp.EndPoint, needsTls: true));
    }

    [Theory]
    [InlineData("127.0.0.1", @"^nbd://127\.0\.0\.1:\d+/disk$")]
    [InlineData("::1", @"^nbd://\[::1\]:\d+/disk$")]
    public void Sockets_of_the_service_manager_have_uris_as_well(string host, string uri)
    {
        using Socket socket = ListeningSocket.Open(new IPEndPoint(IPAddress.Parse(host), 0), 1);
        ListenAddress address = ListenAddress.Passed(socket);

        Assert.Matches(uri, address.Uri("disk", address.EndPoint, needsTls: false));
    }
}
