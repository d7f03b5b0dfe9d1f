using System.CommandLine;
using System.Net;
using DmEra.Cli.Serving;
using DmEra.Nbd;
using DmEra.Serving;
using DmEra.Tests.Nbd;

namespace DmEra.Tests.Cli.Serving;

public sealed class NbdArgumentsTests : IDisposable
{
    private readonly TestAuthority _authority = new();
    private readonly TempFolder _folder = new();

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Without_options_the_server_is_as_it_is_by_default()
    {
        NbdServerOptions options = Parse();

        Assert.Equal(100, options.MaxConnections);
        Assert.Equal(["127.0.0.0/8", "::1/128"], options.AllowedNetworks.Select(network => network.ToString()));
        Assert.Null(options.Tls);
        Assert.False(options.AllowsPlaintextFromAfar);
    }

    [Fact]
    public void Options_reach_the_server()
    {
        NbdServerOptions options = Parse(
            "--max-connections", "7", "--tls", "require", "--tls-certificates", _authority.WriteServer(_folder["pki"]),
            "--tls-verify-peer", "--allow", "10.1.0.0/16", "--allow", "2001:db8::7");

        Assert.Equal(7, options.MaxConnections);
        Assert.Equal((NbdTlsMode.Require, true), (options.Tls!.Mode, options.Tls.VerifiesClients));
        Assert.Equal(
            [IPNetwork.Parse("10.1.0.0/16"), IPNetwork.Parse("2001:db8::7/128")], options.AllowedNetworks.Skip(2));
    }

    [Fact]
    public void Other_machines_come_in_with_tls_or_by_an_explicit_waiver()
    {
        string[] allow = ["--allow", "0.0.0.0/0"];
        string[] tls = ["--tls-certificates", _authority.WriteServer(_folder["pki"]), "--tls"];

        Assert.Contains("--insecure", Refusal(allow), StringComparison.Ordinal);
        Assert.Contains("--tls require", Refusal([.. allow, .. tls, "on"]), StringComparison.Ordinal);
        Assert.False(Parse([.. allow, .. tls, "require"]).AllowsPlaintextFromAfar);
        Assert.True(Parse([.. allow, "--insecure"]).AllowsPlaintextFromAfar);
    }

    [Theory]
    [InlineData("--tls needs --tls-certificates", "--tls", "on")]
    [InlineData("'yes' is no way of --tls; there are on and require", "--tls", "yes", "--tls-certificates", "/")]
    [InlineData("say --tls require or --tls on as well", "--tls-certificates", "/")]
    [InlineData("say --tls require or --tls on as well", "--tls-verify-peer")]
    [InlineData("--max-connections 0 makes no sense; give 1 to 65535", "--max-connections", "0")]
    [InlineData("--max-connections 65536 makes no sense; give 1 to 65535", "--max-connections", "65536")]
    [InlineData("'10.1.0.0/33' is no network for --allow; such are 192.0.2.7, 10.1.0.0/16 and 2001:db8::/32", "--allow", "10.1.0.0/33")]
    [InlineData("'far' is no network for --allow; such are 192.0.2.7, 10.1.0.0/16 and 2001:db8::/32", "--allow", "far")]
    public void What_makes_no_sense_is_refused(string message, params string[] arguments) =>
        Assert.Equal(message, Refusal(arguments));

    [Fact]
    public void A_missing_certificate_is_named()
    {
        IOException fault = Assert.ThrowsAny<IOException>(() => Parse("--tls", "on", "--tls-certificates", _folder.Path));

        Assert.Contains("server-cert.pem", fault.Message, StringComparison.Ordinal);
    }

    private static string Refusal(params string[] arguments)
    {
        SettingsException refusal = Assert.Throws<SettingsException>(() => Parse(arguments));
        return refusal.Message;
    }

    private static NbdServerOptions Parse(params string[] arguments)
    {
        NbdArguments nbd = new();
        RootCommand command = [];
        foreach (Option option in nbd.Options) command.Options.Add(option);
        ParseResult parse = command.Parse(arguments);
        Assert.Empty(parse.Errors);
        return nbd.ServerOptions(parse);
    }
}
