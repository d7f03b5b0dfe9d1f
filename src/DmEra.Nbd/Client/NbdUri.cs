using System.Net;
using System.Net.Sockets;

namespace DmEra.Nbd.Client;

/// <summary>
/// An export of an NBD server, as the NBD URI specification names it: <c>nbd://HOST:PORT/EXPORT</c>,
/// <c>nbd+unix:///EXPORT?socket=PATH</c>, and both with TLS as <c>nbds</c>.
/// </summary>
public sealed record NbdUri
{
    private const int DefaultPort = 10809;
    private const string PlainScheme = "nbd";
    private const string TlsScheme = "nbds";
    private const string UnixSuffix = "+unix";

    private readonly string _text;

    private NbdUri(string text) => _text = text;

    /// <summary>Where the server listens.</summary>
    public required EndPoint EndPoint { get; init; }

    /// <summary>Name of the export; may be empty.</summary>
    public required string ExportName { get; init; }

    /// <summary>Whether nothing is to be said in plain text.</summary>
    public required bool UsesTls { get; init; }

    /// <summary>The name that the server's certificate must have.</summary>
    public required string TlsHostName { get; init; }

    /// <summary>A folder with <c>ca-cert.pem</c> and, to show to the server, <c>client-cert.pem</c> and
    /// <c>client-key.pem</c>; null: the authorities of the operating system count.</summary>
    public string? TlsCertificates { get; init; }

    /// <summary>Whether a text is meant to be such a URI, rather than a path.</summary>
    public static bool IsUri(string text) =>
        new[] { PlainScheme, TlsScheme, PlainScheme + UnixSuffix, TlsScheme + UnixSuffix }
            .Any(scheme => text.StartsWith($"{scheme}://", StringComparison.OrdinalIgnoreCase));

    /// <summary>Reads a URI.</summary>
    /// <exception cref="FormatException">It is none; the message is one line.</exception>
    public static NbdUri Parse(string text)
    {
        if (!IsUri(text) || !Uri.TryCreate(text, UriKind.Absolute, out Uri? uri))
            throw new FormatException($"'{text}' is no NBD URI; such are nbd://HOST/EXPORT and nbd+unix:///EXPORT?socket=PATH");

        Dictionary<string, string> query = Query(uri.Query);
        bool isUnix = uri.Scheme.EndsWith(UnixSuffix, StringComparison.Ordinal);
        string? socket = query.GetValueOrDefault("socket");
        if (isUnix != socket is not null)
            throw new FormatException($"'{text}': a socket=PATH belongs to nbd+unix and nbds+unix, and to these only");
        if (isUnix == uri.Host.Length > 0)
            throw new FormatException($"'{text}': {(isUnix ? "a Unix socket has no host" : "the host is missing")}");

        string host = isUnix ? "localhost" : uri.Host.Trim('[', ']');
        return new NbdUri(text)
        {
            EndPoint = isUnix ? UnixEndPoint(socket!) : TcpEndPoint(host, uri.Port < 0 ? DefaultPort : uri.Port),
            ExportName = Uri.UnescapeDataString(uri.AbsolutePath[1..]),     // one slash is the URI's, another the name's
            UsesTls = uri.Scheme.StartsWith(TlsScheme, StringComparison.Ordinal),
            TlsHostName = query.GetValueOrDefault("tls-hostname", host),
            TlsCertificates = query.GetValueOrDefault("tls-certificates"),
        };
    }

    /// <summary>The URI as it was given.</summary>
    public override string ToString() => _text;

    private static Dictionary<string, string> Query(string query) => query.TrimStart('?')
        .Split('&', StringSplitOptions.RemoveEmptyEntries)
        .Select(pair => pair.Split('=', 2))
        .GroupBy(pair => pair[0], pair => Uri.UnescapeDataString(pair[^1]), StringComparer.Ordinal)
        .ToDictionary(group => group.Key, group => group.Last(), StringComparer.Ordinal);

    private static UnixDomainSocketEndPoint UnixEndPoint(string path)
    {
        try { return new UnixDomainSocketEndPoint(path); }
        catch (ArgumentException fault) { throw new FormatException($"'{path}' cannot be the path of a socket", fault); }
    }

    private static EndPoint TcpEndPoint(string host, int port) => IPAddress.TryParse(host, out IPAddress? address)
        ? new IPEndPoint(address, port)
        : new DnsEndPoint(host, port);
}
