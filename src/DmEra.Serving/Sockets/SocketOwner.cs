using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using DmEra.Devices;

namespace DmEra.Serving.Sockets;

/// <summary>Whose sockets are believed: this user's own, and root's. Whoever poses as a server could call every list of changes
/// empty.</summary>
public static class SocketOwner
{
    private const uint Root = 0;
    private const int SocketLevel = 1;      // SOL_SOCKET
    private const int PeerCredentials = 17; // SO_PEERCRED

    /// <summary>The user that this process acts for.</summary>
    public static uint Me { get; } = uint.Parse(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2],
        CultureInfo.InvariantCulture);

    /// <summary>Refuses a folder of sockets in which somebody else could put his own.</summary>
    /// <exception cref="ServingException">It is none, or somebody else's, or others may write to it.</exception>
    /// <exception cref="DeviceException">It cannot be looked at.</exception>
    public static void RequireTrusted(string folder)
    {
        // A link, where others can make one, leads wherever they like.
        RequireOwner(folder, FileStatus.OfEntry(folder));
        FileStatus status = FileStatus.Of(folder);
        RequireOwner(folder, status);
        if (status.Kind != FileKind.Folder) throw new ServingException($"{folder}: not a folder; choose another with ERA_RUNTIME_DIR");
        if ((status.Mode & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != UnixFileMode.None)
            throw new ServingException($"{folder}: others may write to this folder; sockets need one of your own, named by ERA_RUNTIME_DIR");
    }

    /// <summary>Refuses a server that another user runs. Root may talk to anybody whose socket he names.</summary>
    /// <exception cref="ServingException">Another user runs it.</exception>
    public static void RequireTrusted(Socket connection, string path)
    {
        PeerCredential peer = default;
        connection.GetRawSocketOption(SocketLevel, PeerCredentials, MemoryMarshal.AsBytes(new Span<PeerCredential>(ref peer)));
        if (Me != Root && peer.User != Me && peer.User != Root)
            throw new ServingException($"{path}: served by another user (id {peer.User}); run this as that user, or as root");
    }

    private static void RequireOwner(string folder, FileStatus status)
    {
        if (status.Owner != Me && status.Owner != Root)
            throw new ServingException($"{folder}: belongs to another user (id {status.Owner}); sockets need a folder of your own, named by ERA_RUNTIME_DIR");
    }

    /// <summary>struct ucred of sys/socket.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PeerCredential
    {
        public int Process;
        public uint User;
        public uint Group;
    }
}
