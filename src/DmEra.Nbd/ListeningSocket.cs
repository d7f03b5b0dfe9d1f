using System.Net;
using System.Net.Sockets;
using System.Text;
using DmEra.Devices;

namespace DmEra.Nbd;

/// <summary>
/// Opens sockets to listen at. The file of a Unix socket is its owner's only; one that a killed server left behind is
/// replaced, any other file is left alone.
/// </summary>
public static class ListeningSocket
{
    private const int LongestPathBytes = 107;   // sun_path, less the final NUL
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Listens at a TCP address or a Unix socket.</summary>
    /// <exception cref="IOException">That is not possible there; the message is one line with the
    /// remedy.</exception>
    public static Socket Open(EndPoint endPoint, int backlog)
    {
        string? path = PathOf(endPoint);
        ProtocolType protocol = path is null ? ProtocolType.Tcp : ProtocolType.Unspecified;
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, protocol);
        try
        {
            if (path is not null) MakeWay(path);
            socket.Bind(endPoint);
            if (path is not null) File.SetUnixFileMode(path, OwnerOnly);    // before anybody can connect
            socket.Listen(backlog);
            return socket;
        }
        catch (Exception cause) when (cause is SocketException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new IOException($"{endPoint}: cannot listen there: {cause.Message}", cause);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Checks, without touching anything, that a Unix socket could be made under a path.</summary>
    /// <exception cref="IOException">The path is too long, or taken by a live server or another kind of
    /// file.</exception>
    public static void RequireFree(string path)
    {
        RequirePossible(path);
        if (!Path.Exists(path)) return;
        if (!IsSocket(path))
            throw new IOException($"{path}: exists and is not a socket; choose another name or path");
        if (IsAlive(path))
            throw new IOException($"{path}: another server listens there; stop it, or choose another name or path");
    }

    /// <summary>Checks that a path can be that of a Unix socket, whatever lies there.</summary>
    /// <exception cref="IOException">It is too long.</exception>
    public static void RequirePossible(string path)
    {
        int length = Encoding.UTF8.GetByteCount(path);
        if (length > LongestPathBytes)
        {
            throw new IOException($"{path}: these {length} bytes are more than the {LongestPathBytes} that the path "
                + "of a socket can have; choose a shorter name or path");
        }
    }

    /// <summary>The file of a Unix socket; null for other kinds.</summary>
    public static string? PathOf(EndPoint endPoint) =>
        endPoint is UnixDomainSocketEndPoint unix ? unix.ToString() : null;

    /// <summary>Whether a Unix socket lies under a path, alive or dead.</summary>
    public static bool IsSocket(string path)
    {
        try { return FileStatus.Of(path).Kind == FileKind.Socket; }
        catch (DeviceException) { return false; }
    }

    private static void MakeWay(string path)
    {
        if (!Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
            throw new IOException($"{path}: there is no such folder; create it, or choose another path");
        RequireFree(path);
        File.Delete(path);
    }

    private static bool IsAlive(string path)
    {
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException refusal)
        {
            // Others: too busy to answer, or somebody else's.
            return refusal.SocketErrorCode != SocketError.ConnectionRefused;
        }
    }
}
