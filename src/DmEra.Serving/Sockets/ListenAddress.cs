using System.Globalization;
using System.Net;
using System.Net.Sockets;
using DmEra.Nbd;

namespace DmEra.Serving.Sockets;

/// <summary>A place to listen for NBD clients: <c>unix:PATH</c>, <c>tcp:HOST:PORT</c>, or a socket that the service manager
/// opened.</summary>
/// <param name="EndPoint">Where to listen.</param>
/// <param name="Host">The host as it was typed; null where none was.</param>
/// <param name="Socket">The socket, if it is open already.</param>
public sealed record ListenAddress(EndPoint EndPoint, string? Host = null, Socket? Socket = null)
{
    private const string UnixScheme = "unix:";
    private const string TcpScheme = "tcp:";
    private const int Backlog = 128;

    /// <summary>A Unix socket.</summary>
    public static ListenAddress Unix(string path)
    {
        ListeningSocket.RequirePossible(path);
        return new ListenAddress(new UnixDomainSocketEndPoint(path));
    }

    /// <summary>A socket that the service manager opened.</summary>
    public static ListenAddress Passed(Socket socket) => new(socket.LocalEndPoint!, Socket: socket);

    /// <summary>Reads what the user typed.</summary>
    /// <param name="text">The address.</param>
    /// <param name="folder">Where relative paths begin; null: the current folder.</param>
    /// <exception cref="ServingException">It is none of the two forms, or the host is unknown.</exception>
    public static ListenAddress Parse(string text, string? folder = null)
    {
        if (text.StartsWith(UnixScheme, StringComparison.Ordinal) && text.Length > UnixScheme.Length)
            return Unix(Path.GetFullPath(SettingsPath.In(folder ?? Environment.CurrentDirectory, text[UnixScheme.Length..])));

        // The last colon: an IPv6 address, in brackets, has more of them.
        int colon = text.LastIndexOf(':');
        if (!text.StartsWith(TcpScheme, StringComparison.Ordinal) || colon <= TcpScheme.Length
            || !ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            throw new SettingsException($"'{text}' is no address to listen at; such are unix:PATH and tcp:HOST:PORT");
        }

        string host = text[TcpScheme.Length..colon];
        return new ListenAddress(new IPEndPoint(Resolve(host), port), host);
    }

    /// <summary>Checks, without touching anything, that one could listen there; of TCP that comes out only when one does.</summary>
    /// <exception cref="IOException">The path of a socket is too long, or taken.</exception>
    public void RequireFree()
    {
        if (Socket is null && ListeningSocket.PathOf(EndPoint) is string path) ListeningSocket.RequireFree(path);
    }

    /// <summary>Listens there.</summary>
    /// <exception cref="IOException">That is not possible; the message is one line with the remedy.</exception>
    public Socket Bind() => Socket ?? ListeningSocket.Open(EndPoint, Backlog);

    /// <summary>The URI that clients use.</summary>
    /// <param name="export">Name of the export.</param>
    /// <param name="bound">Where it listens, with the port that was chosen.</param>
    /// <param name="needsTls">Whether they get nowhere without TLS.</param>
    public string Uri(string export, EndPoint bound, bool needsTls)
    {
        string scheme = needsTls ? "nbds" : "nbd";
        string name = System.Uri.EscapeDataString(export);
        return bound is IPEndPoint tcp
            ? $"{scheme}://{Host ?? HostOf(tcp.Address)}:{tcp.Port}/{name}"
            : $"{scheme}+unix:///{name}?socket={EscapePath(bound.ToString()!)}";
    }

    private static string HostOf(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : $"{address}";

    private static string EscapePath(string path) =>
        System.Uri.EscapeDataString(path).Replace("%2F", "/", StringComparison.Ordinal);

    private static IPAddress Resolve(string host)
    {
        if (IPAddress.TryParse(host, out IPAddress? address)) return address;
        try
        {
            return Dns.GetHostAddresses(host)[0];
        }
        catch (Exception fault) when (fault is SocketException or ArgumentException)
        {
            throw new ServingException($"{host}: cannot find this host: {fault.Message}");
        }
    }
}
