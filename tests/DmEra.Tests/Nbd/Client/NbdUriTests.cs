using System.Net;
using System.Net.Sockets;
using DmEra.Nbd.Client;

namespace DmEra.Tests.Nbd.Client;

public sealed class NbdUriTests
{
    [Theory]
    [InlineData("nbd://storage/disk", "storage", 10809, "disk")]
    [InlineData("nbd://storage", "storage", 10809, "")]
    [InlineData("nbd://storage:4711/a/b%20c", "storage", 4711, "a/b c")]
    [InlineData("NBDS://storage/", "storage", 10809, "")]
    [InlineData("nbd://storage//disk", "storage", 10809, "/disk")]
    [InlineData("nbd://storage/%2Fdisk", "storage", 10809, "/disk")]
    [InlineData("nbd://storage/pool/disk", "storage", 10809, "pool/disk")]
    public void Tcp_has_a_host_and_perhaps_a_port(string text, string host, int port, string export)
    {
        NbdUri uri = NbdUri.Parse(text);

        Assert.Equal(new DnsEndPoint(host, port), uri.EndPoint);
        Assert.Equal(export, uri.ExportName);
        Assert.Equal(text.StartsWith("NBDS", StringComparison.Ordinal), uri.UsesTls);
        Assert.Equal(host, uri.TlsHostName);
    }

    [Theory]
    [InlineData("nbd://192.0.2.7/x", "192.0.2.7")]
    [InlineData("nbd://[2001:db8::1]/x", "2001:db8::1")]
    public void A_host_can_be_an_address(string text, string address) =>
        Assert.Equal(new IPEndPoint(IPAddress.Parse(address), 10809), NbdUri.Parse(text).EndPoint);

    [Fact]
    public void Unix_has_a_socket()
    {
        NbdUri uri = NbdUri.Parse("nbd+unix:///disk?socket=/run/a%20b%26c.sock");

        Assert.Equal("/run/a b&c.sock", Assert.IsType<UnixDomainSocketEndPoint>(uri.EndPoint).ToString());
        Assert.Equal("disk", uri.ExportName);
        Assert.False(uri.UsesTls);
    }

    [Theory]
    [InlineData("nbd+unix:////disk?socket=/run/x", "/disk")]
    [InlineData("nbd+unix:///pool/disk?socket=/run/x", "pool/disk")]
    [InlineData("nbd+unix:///?socket=/run/x", "")]
    public void Only_one_slash_belongs_to_the_uri(string text, string export) => Assert.Equal(export, NbdUri.Parse(text).ExportName);

    [Fact]
    public void Tls_has_certificates_and_a_name_to_check()
    {
        NbdUri uri = NbdUri.Parse("nbds+unix:///?socket=/run/x&tls-certificates=/etc/pki/nbd&tls-hostname=storage");

        Assert.True(uri.UsesTls);
        Assert.Equal("/etc/pki/nbd", uri.TlsCertificates);
        Assert.Equal("storage", uri.TlsHostName);
        Assert.Equal("localhost", NbdUri.Parse("nbds+unix:///?socket=/run/x").TlsHostName);
    }

    [Theory]
    [InlineData("nbd:///disk")]
    [InlineData("nbd://storage/disk?socket=/run/x")]
    [InlineData("nbd+unix:///disk")]
    [InlineData("nbd+unix://storage/disk?socket=/run/x")]
    [InlineData("nbd://storage:port/disk")]
    [InlineData("nbd+ssh://storage/disk")]
    [InlineData("http://storage/disk")]
    [InlineData("/dev/sda")]
    public void Others_are_refused(string text) => Assert.Throws<FormatException>(() => NbdUri.Parse(text));

    [Theory]
    [InlineData("nbd", false)]
    [InlineData("nbd:", false)]
    [InlineData("./nbd://x", false)]
    [InlineData("nbd://x", true)]
    [InlineData("nbds+unix://", true)]
    public void A_path_is_told_from_a_uri(string text, bool isUri) => Assert.Equal(isUri, NbdUri.IsUri(text));
}
