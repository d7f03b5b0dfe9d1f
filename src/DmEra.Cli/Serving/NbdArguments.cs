using System.CommandLine;
using System.Net;
using DmEra.Nbd;

namespace DmEra.Cli.Serving;

/// <summary>The options of <c>era serve</c> that say which NBD clients are let in, and how.</summary>
internal sealed class NbdArguments
{
    private const string TlsOn = "on";
    private const string TlsRequire = "require";

    private readonly Option<bool> _readOnly = CommonArguments.Flag(
        "--read-only", "let clients read, and ask what changed, but not write");

    private readonly Option<string?> _bitmap = CommonArguments.Text(
        "--bitmap", "ERA|LABEL", "show clients one bitmap, of what was written since then, and no other: for tools that want "
            + "exactly one. Without it, clients that ask for the export NAME@ERA or NAME@LABEL are shown that one");

    private readonly Option<uint?> _maxConnections = CommonArguments.Number(
        "--max-connections", "N", "clients at the same time [default: 100]");

    private readonly Option<string[]> _allow = new("--allow")
    {
        Description = "let clients of these addresses in over TCP, besides those of this machine; may be repeated",
        HelpName = "NETWORK",
    };

    private readonly Option<string?> _tls = CommonArguments.Text(
        "--tls", $"{TlsOn}|{TlsRequire}", "let clients use TLS, or let nobody do without");

    private readonly Option<string?> _certificates = CommonArguments.Text(
        "--tls-certificates", "FOLDER", "holds server-cert.pem, server-key.pem and, to verify clients, ca-cert.pem");

    private readonly Option<bool> _verifyPeer = CommonArguments.Flag(
        "--tls-verify-peer", "let in only clients with a certificate that ca-cert.pem has signed");

    private readonly Option<bool> _insecure = CommonArguments.Flag(
        "--insecure", "let other machines in without TLS: anybody on the way can read and change the disk");

    /// <summary>All of them, in the order of the help.</summary>
    public IEnumerable<Option> Options =>
        [_readOnly, _bitmap, _maxConnections, _allow, _tls, _certificates, _verifyPeer, _insecure];

    /// <summary>Whether clients may not write.</summary>
    public bool IsReadOnly(ParseResult parse) => parse.GetValue(_readOnly);

    /// <summary>Names the only bitmap that clients see; null: they see all.</summary>
    public Option<string?> Bitmap => _bitmap;

    /// <summary>What the command line asks of the server.</summary>
    /// <exception cref="CommandException">It contradicts itself.</exception>
    /// <exception cref="IOException">The certificates cannot be loaded.</exception>
    public NbdServerOptions ServerOptions(ParseResult parse)
    {
        NbdServerOptions defaults = new();
        NbdServerOptions options = defaults with
        {
            MaxConnections = MaxConnections(parse) ?? defaults.MaxConnections,
            AllowedNetworks = [.. defaults.AllowedNetworks, .. (parse.GetValue(_allow) ?? []).Select(ParseNetwork)],
            AllowsPlaintextFromAfar = parse.GetValue(_insecure),
            Tls = Tls(parse),
        };
        return options.IsOpenInPlaintext
            ? throw Usage($"{_allow.Name} lets other machines in: add {_tls.Name} {TlsRequire}, or {_insecure.Name}")
            : options;
    }

    private int? MaxConnections(ParseResult parse) => parse.GetValue(_maxConnections) switch
    {
        null => null,
        uint count and > 0 and <= ushort.MaxValue => (int)count,
        uint count => throw Usage($"{_maxConnections.Name} {count} makes no sense; give 1 to {ushort.MaxValue}"),
    };

    private NbdTls? Tls(ParseResult parse)
    {
        string? mode = parse.GetValue(_tls);
        string? folder = parse.GetValue(_certificates);
        bool verifiesClients = parse.GetValue(_verifyPeer);
        return mode switch
        {
            null when folder is null && !verifiesClients => null,
            null => throw Usage($"say {_tls.Name} {TlsRequire} or {_tls.Name} {TlsOn} as well"),
            not (TlsOn or TlsRequire) => throw Usage($"'{mode}' is no way of {_tls.Name}; there are {TlsOn} and {TlsRequire}"),
            _ when folder is null => throw Usage($"{_tls.Name} needs {_certificates.Name}"),
            _ => NbdTls.FromDirectory(folder, mode is TlsRequire ? NbdTlsMode.Require : NbdTlsMode.On, verifiesClients),
        };
    }

    // A single address is a network, too.
    private IPNetwork ParseNetwork(string text)
    {
        if (IPNetwork.TryParse(text, out IPNetwork network)) return network;
        if (IPAddress.TryParse(text, out IPAddress? address))
            return new IPNetwork(address, address.GetAddressBytes().Length * 8);
        throw Usage($"'{text}' is no network for {_allow.Name}; such are 192.0.2.7, 10.1.0.0/16 and 2001:db8::/32");
    }

    private static CommandException Usage(string message) => new(message, ExitCode.Usage);
}
