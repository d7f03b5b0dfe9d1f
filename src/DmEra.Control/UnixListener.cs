using System.Net.Sockets;
using System.Text;

namespace DmEra.Control;

/// <summary>
/// A Unix socket that listens under a path: open to its owner only, gone from the file system when disposed of. One
/// that a dead process left behind is replaced.
/// </summary>
public sealed class UnixListener : IDisposable
{
    private const int LongestPathBytes = 107;   // sun_path, less the final NUL
    private const int Backlog = 128;
    private const int NoSuchDeviceOrAddress = 6;   // ENXIO: what opening a socket as a file gives

    private UnixListener(string path, Socket socket)
    {
        Path = path;
        Socket = socket;
    }

    /// <summary>The path.</summary>
    public string Path { get; }

    /// <summary>The listening socket; connections wait in it until somebody accepts them.</summary>
    public Socket Socket { get; }

    /// <summary>Checks a path as far as that is possible without touching anything.</summary>
    /// <exception cref="ControlException">The path is too long, or taken by a live server or another file.</exception>
    public static void RequireFree(string path)
    {
        int length = Encoding.UTF8.GetByteCount(path);
        if (length > LongestPathBytes)
        {
            throw new ControlException($"{path}: path of {length} bytes, but sockets have at most {LongestPathBytes}; "
                + "choose a shorter --name, --listen, --control or ERA_RUNTIME_DIR");
        }

        string? problem = OccupantOf(path) switch
        {
            Occupant.LiveServer => "already served by another process; 'era stop' it, or choose another --name",
            Occupant.OtherFile => "exists and is no socket; remove it, or choose another path",
            _ => null,
        };
        if (problem is not null) throw new ControlException($"{path}: {problem}");
    }

    /// <summary>Listens.</summary>
    /// <exception cref="ControlException">As for <see cref="RequireFree"/>, or the folder is missing or not
    /// writable.</exception>
    public static UnixListener Bind(string path)
    {
        RequireFree(path);
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            File.Delete(path);
            socket.Bind(new UnixDomainSocketEndPoint(path));
            // Nobody can connect before Listen, so nobody slips in before the mode is set.
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            socket.Listen(Backlog);
            return new UnixListener(path, socket);
        }
        catch (Exception fault) when (fault is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new ControlException($"{path}: cannot listen there: {fault.Message}", fault);
        }
    }

    /// <summary>Frees the path; connections go on.</summary>
    public void Withdraw() => File.Delete(Path);

    /// <inheritdoc/>
    public void Dispose()
    {
        Socket.Dispose();
        Withdraw();
    }

    private static Occupant OccupantOf(string path)
    {
        if (!System.IO.Path.Exists(path)) return Occupant.Nobody;
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return Occupant.LiveServer;
        }
        catch (SocketException fault) when (fault.SocketErrorCode == SocketError.ConnectionRefused)
        {
            // So it is, too, when the path is that of an ordinary file.
            return IsSocket(path) ? Occupant.DeadServer : Occupant.OtherFile;
        }
        catch (SocketException)
        {
            // Too busy to answer, or somebody else's.
            return Occupant.LiveServer;
        }
    }

    private static bool IsSocket(string path)
    {
        try
        {
            File.OpenHandle(path).Dispose();
            return false;
        }
        catch (IOException fault)
        {
            return fault.HResult == NoSuchDeviceOrAddress;
        }
    }

    private enum Occupant
    {
        Nobody,
        LiveServer,
        DeadServer,
        OtherFile,
    }
}
