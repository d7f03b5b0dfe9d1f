using System.Globalization;
using System.Net;
using System.Net.Sockets;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Client;

/// <summary>The connections to one run of a server: when one of them is lost, all are given up together, for what the
/// server had not made stable may be lost with it.</summary>
internal sealed class ClientSession : IDisposable
{
    private const int HandshakeMilliseconds = 10_000;
    private const int KeepAliveSeconds = 10;
    private const int DeadPeerMilliseconds = 30_000;
    private const int TcpUserTimeout = 18;      // TCP_USER_TIMEOUT of linux/tcp.h

    private readonly ClientConnection[] _connections;
    private uint _next;
    private volatile bool _isLost;

    private ClientSession(ClientConnection[] connections) => _connections = connections;

    public RemoteExport Export => _connections[0].Export;

    /// <summary>Whether it has been given up.</summary>
    public bool IsLost => _isLost;

    /// <summary>Connects.</summary>
    /// <exception cref="IOException">The server cannot be reached, or refuses.</exception>
    public static ClientSession Open(NbdUri uri, ClientTls? tls, int connections, NbdBuffers buffers)
    {
        List<ClientConnection> opened = [];
        try
        {
            do opened.Add(Connect(uri, tls, buffers, opened.Count));
            while (opened.Count < connections && opened[0].Export.Can(TransmissionFlags.CanMultiConn));
            return new ClientSession([.. opened]);
        }
        catch
        {
            foreach (ClientConnection connection in opened) connection.Dispose();
            throw;
        }
    }

    /// <summary>The connection whose turn it is.</summary>
    public ClientConnection Next() =>
        _connections[Interlocked.Increment(ref _next) % (uint)_connections.Length];

    /// <summary>Gives all connections up.</summary>
    public void Abort()
    {
        _isLost = true;
        foreach (ClientConnection connection in _connections) connection.Abort();
    }

    public void Dispose()
    {
        foreach (ClientConnection connection in _connections) connection.Dispose();
    }

    private static ClientConnection Connect(NbdUri uri, ClientTls? tls, NbdBuffers buffers, int number)
    {
        Socket socket = Connect(uri);
        ClientHandshake handshake = new(new SocketTransport(socket), uri, tls);
        try
        {
            RemoteExport export = handshake.Run();

            // From here on a server may take its time.
            socket.SendTimeout = socket.ReceiveTimeout = 0;
            string name = string.Create(CultureInfo.InvariantCulture, $"nbd-origin-{number}");
            return new ClientConnection(handshake.Transport, export, buffers, name);
        }
        catch (NbdProtocolException fault)
        {
            handshake.Transport.Dispose();
            throw new IOException($"{uri}: {fault.Message}", fault);
        }
    }

    private static Socket Connect(NbdUri uri)
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
