using System.Net;
using System.Net.Sockets;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Client;

/// <summary>Connects to where a URI says that the server listens.</summary>
internal sealed class SocketConnector(NbdUri uri) : INbdConnector
{
    private const int HandshakeMilliseconds = 10_000;
    private const int KeepAliveSeconds = 10;
    private const int DeadPeerMilliseconds = 30_000;
    private const int TcpUserTimeout = 18;      // TCP_USER_TIMEOUT of linux/tcp.h

    /// <inheritdoc/>
    public INbdTransport Connect(out Action handshakeIsOver)
    {
        Socket socket = Connect();
        handshakeIsOver = () => socket.SendTimeout = socket.ReceiveTimeout = 0;
        return new SocketTransport(socket);
    }

    private Socket Connect()
    {
        try
        {
            return uri.EndPoint is DnsEndPoint named
                ? ConnectFirst(Dns.GetHostAddresses(named.Host), named.Port)
                : ConnectTo(uri.EndPoint);
        }
        catch (SocketException fault)
        {
            throw new IOException($"{uri}: cannot connect: {fault.Message}", fault);
        }
    }

    private static Socket ConnectFirst(IPAddress[] addresses, int port)
    {
        for (int i = 0; ; i++)
        {
            try { return ConnectTo(new IPEndPoint(addresses[i], port)); }
            catch (SocketException) when (i + 1 < addresses.Length) { /* The next one may do. */ }
        }
    }

    private static Socket ConnectTo(EndPoint endPoint)
    {
        bool isUnix = endPoint is UnixDomainSocketEndPoint;
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, isUnix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            // Linux applies the first one to connecting as well.
            socket.SendTimeout = socket.ReceiveTimeout = HandshakeMilliseconds;
            if (!isUnix) SetTcpOptions(socket);
            socket.Connect(endPoint);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void SetTcpOptions(Socket socket)
    {
        socket.NoDelay = true;

        // A machine that was switched off says no goodbye.
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, KeepAliveSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, KeepAliveSeconds);
        socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpUserTimeout, BitConverter.GetBytes(DeadPeerMilliseconds));
    }
}
