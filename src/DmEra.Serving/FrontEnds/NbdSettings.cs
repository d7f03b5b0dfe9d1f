using System.Net;
using DmEra.Nbd;

namespace DmEra.Serving.FrontEnds;

/// <summary>Which NBD clients are let in, and how, as somebody asks for it; nothing has been checked.</summary>
public sealed record NbdSettings
{
    private const string TlsOn = "on";
    private const string TlsRequire = "require";

    /// <summary>Clients of a device at the same time; null: the default.</summary>
    public uint? MaxConnections { get; init; }

    /// <summary>Networks or addresses that clients may come from over TCP, besides those of this machine.</summary>
    public IReadOnlyList<string> Allow { get; init; } = [];

    /// <summary><c>on</c>, <c>require</c>, or null for none.</summary>
    public string? Tls { get; init; }

    /// <summary>Folder of the certificates.</summary>
    public string? TlsCertificates { get; init; }

    /// <summary>Whether clients must show a certificate.</summary>
    public bool TlsVerifyPeer { get; init; }

    /// <summary>Lets other machines in without TLS.</summary>
    public bool Insecure { get; init; }

    /// <summary>What stands before the names of settings where somebody may type them, as <c>--</c> on a command line.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>What a server is given.</summary>
    /// <exception cref="SettingsException">It contradicts itself, or a part of it makes no sense.</exception>
    /// <exception cref="IOException">The certificates cannot be loaded.</exception>
    public NbdServerOptions ServerOptions()
    {
        NbdServerOptions defaults = new();
        NbdServerOptions options = defaults with
        {
            MaxConnections = ParseMaxConnections() ?? defaults.MaxConnections,
            AllowedNetworks = [.. defaults.AllowedNetworks, .. Allow.Select(ParseNetwork)],
            AllowsPlaintextFromAfar = Insecure,
            Tls = LoadTls(),
        };
        return options.IsOpenInPlaintext
            ? throw new SettingsException($"{Prefix}allow lets other machines in: add {Prefix}tls {TlsRequire}, or {Prefix}insecure")
            : options;
    }

    private int? ParseMaxConnections() => MaxConnections switch
    {
        null => null,
        uint count and > 0 and <= ushort.MaxValue => (int)count,
        uint count => throw new SettingsException($"{Prefix}max-connections {count} makes no sense; give 1 to {ushort.MaxValue}"),
    };

    private NbdTls? LoadTls() => Tls switch
    {
        null when TlsCertificates is null && !TlsVerifyPeer => null,
        null => throw new SettingsException($"say {Prefix}tls {TlsRequire} or {Prefix}tls {TlsOn} as well"),
        not (TlsOn or TlsRequire) => throw new SettingsException($"'{Tls}' is no way of {Prefix}tls; there are {TlsOn} and {TlsRequire}"),
        _ when TlsCertificates is null => throw new SettingsException($"{Prefix}tls needs {Prefix}tls-certificates"),
        _ => NbdTls.FromDirectory(TlsCertificates, Tls is TlsRequire ? NbdTlsMode.Require : NbdTlsMode.On, TlsVerifyPeer),
    };

    // A single address is a network, too.
    private IPNetwork ParseNetwork(string text)
    {
        if (IPNetwork.TryParse(text, out IPNetwork network)) return network;
        if (IPAddress.TryParse(text, out IPAddress? address))
            return new IPNetwork(address, address.GetAddressBytes().Length * 8);
        throw new SettingsException($"'{text}' is no network for {Prefix}allow; such are 192.0.2.7, 10.1.0.0/16 and 2001:db8::/32");
    }
}
