using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace DmEra.Nbd;

/// <summary>Opens sockets to listen at.</summary>
internal static class ListeningSocket
{
    private const int NoSuchDeviceOrAddress = 6;    // ENXIO
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static Socket Open(EndPoint endPoint, int backlog)
    {
        bool isUnix = endPoint is UnixDomainSocketEndPoint;
        ProtocolType protocol = isUnix ? ProtocolType.Unspecified : ProtocolType.Tcp;
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, protocol);
        try
        {
            if (PathOf(endPoint) is { } path)
            {
                MakeWay(path);
                socket.Bind(endPoint);
                File.SetUnixFileMode(path, OwnerOnly);  // before anybody can connect
            }
            else
            {
                socket.Bind(endPoint);
            }

            socket.Listen(backlog);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The file of a Unix socket.</summary>
    public static string? PathOf(EndPoint endPoint) =>
        endPoint is UnixDomainSocketEndPoint unix ? unix.ToString() : null;

    // A socket that nobody listens at is what a killed server leaves behind.
    private static void MakeWay(string path)
    {
        if (!File.Exists(path)) return;
        if (!IsSocket(path)) throw new IOException($"{path}: exists and is not a socket; choose another path");
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException refusal) when (refusal.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }

        throw new IOException($"{path}: another server listens there; stop it or choose another path");
    }

    // A socket is the only kind of file that cannot be opened at all.
    private static bool IsSocket(string path)
    {
        try
        {
            using SafeFileHandle file = File.OpenHandle(path, access: FileAccess.ReadWrite, share: FileShare.ReadWrite);
            return false;
        }
        catch (IOException cannotOpen)
        {
            return cannotOpen.HResult == NoSuchDeviceOrAddress;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}
