using System.CommandLine;
using DmEra.Nbd;
using DmEra.Serving;
using DmEra.Serving.FrontEnds;

namespace DmEra.Cli.Serving;

/// <summary>The options of <c>era serve</c> that say which NBD clients are let in, and how.</summary>
internal sealed class NbdArguments
{
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
        "--tls", "on|require", "let clients use TLS, or let nobody do without");

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
    /// <exception cref="SettingsException">It contradicts itself.</exception>
    /// <exception cref="IOException">The certificates cannot be loaded.</exception>
    public NbdServerOptions ServerOptions(ParseResult parse) => new NbdSettings
    {
        MaxConnections = parse.GetValue(_maxConnections),
        Allow = parse.GetValue(_allow) ?? [],
        Tls = parse.GetValue(_tls),
        TlsCertificates = parse.GetValue(_certificates),
        TlsVerifyPeer = parse.GetValue(_verifyPeer),
        Insecure = parse.GetValue(_insecure),
        Prefix = "--",
    }.ServerOptions();
}
