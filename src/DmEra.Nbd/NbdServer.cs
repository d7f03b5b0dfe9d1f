using System.Net;
using System.Net.Sockets;
using System.Text;
using DmEra.Nbd.Transmission;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd;

/// <summary>
/// Serves block devices to NBD clients: fixed newstyle, simple and structured replies, metadata contexts. Every
/// connection to an export sees the same device, so that a flush on one covers the writes of all.
/// </summary>
/// <remarks>All members may be called by any thread. The devices are the caller's: they must outlive the server.</remarks>
public sealed class NbdServer : IDisposable
{
    private const int Backlog = 128;
    private const int KeepAliveSeconds = 60;

    private readonly object _gate = new();  // guards all below; pulsed when a connection ends
    private readonly List<NbdListener> _listeners = [];
    private readonly HashSet<NbdConnection> _connections = [];
    private int _accepted;
    private bool _isStopping;

    /// <summary>Creates a server, which does not listen yet.</summary>
    /// <exception cref="ArgumentException">No export, two of one name, or a name that is too long; or other machines
    /// are let in without TLS being required or waived.</exception>
    public NbdServer(IReadOnlyList<NbdExport> exports, NbdServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(exports);
        ArgumentNullException.ThrowIfNull(options);
        if (exports.Count == 0) throw new ArgumentException("nothing to export", nameof(exports));
        if (exports.DistinctBy(export => export.Name, StringComparer.Ordinal).Count() < exports.Count)
            throw new ArgumentException("two exports of one name", nameof(exports));
        if (exports.Any(export => Encoding.UTF8.GetByteCount(export.Name) > NbdLimits.NameBytes))
            throw new ArgumentException($"a name of more than {NbdLimits.NameBytes} bytes", nameof(exports));

        if (options.IsOpenInPlaintext)
            throw new ArgumentException("clients of other machines need TLS, or leave to do without", nameof(options));

        Exports = exports;
        Options = options;

        // One worker a connection can be held up by a client that does not take its replies.
        Workers = new NbdWorkers(NbdLimits.BusyWorkers + options.MaxConnections);
    }

    /// <summary>How many clients are connected.</summary>
    public int ConnectionCount
    {
        get
        {
            lock (_gate) return _connections.Count;
        }
    }

    internal IReadOnlyList<NbdExport> Exports { get; }

    internal NbdServerOptions Options { get; }

    internal NbdWorkers Workers { get; }

    internal NbdBuffers Buffers { get; } = new();

    /// <summary>Lets clients in at a TCP address or a Unix socket, whose file only its owner may use.</summary>
    /// <returns>Where it listens, with the port that was chosen if the one asked for was 0.</returns>
    /// <exception cref="IOException">That is not possible there.</exception>
    public EndPoint Listen(EndPoint endPoint)
    {
        return Start(ListeningSocket.Open(endPoint, Backlog), ListeningSocket.PathOf(endPoint));
    }

    /// <summary>Lets clients in at a socket that somebody else opened, as systemd does for a socket unit. It must be
    /// listening; its file, if it has one, is left in place at the end.</summary>
    /// <returns>Where it listens.</returns>
    public EndPoint Listen(Socket listening)
    {
        ArgumentNullException.ThrowIfNull(listening);
        return Start(listening, path: null);
    }

    /// <summary>Lets no more clients in, serves the requests that have arrived, and disconnects everybody. Returns when
    /// all is at rest, or after <see cref="NbdServerOptions.DrainTimeout"/> whatever the clients and devices do.
    /// </summary>
    public void Stop()
    {
        NbdListener[] listeners;
        lock (_gate)
        {
            _isStopping = true;
            listeners = [.. _listeners];
            _listeners.Clear();
        }

        foreach (NbdListener listener in listeners) listener.Dispose();
        if (!TryEnd(connection => connection.StopReceiving()) && !TryEnd(connection => connection.Abort()))
            Options.Log.Note("stopped while the device still holds requests of clients that are gone");
        Workers.Stop(Options.DrainTimeout);
    }

    /// <inheritdoc/>
    public void Dispose() => Stop();

    internal void Remove(NbdConnection connection)
    {
        lock (_gate)
        {
            _connections.Remove(connection);
            Monitor.PulseAll(_gate);
        }
    }

    private EndPoint Start(Socket listening, string? path)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isStopping, this);
            NbdListener listener = new(listening, path, Accept, Options.Log);
            _listeners.Add(listener);
            return listener.EndPoint;
        }
    }

    private void Accept(Socket socket)
    {
        IPEndPoint? address = socket.RemoteEndPoint as IPEndPoint;
        if (address is not null) SetTcpOptions(socket);
        SocketTransport transport = new(socket);
        lock (_gate)
        {
            int number = ++_accepted;
            string peer = address?.ToString() ?? "unix";
            if (WhyTurnAway(address?.Address) is { } reason)
            {
                Options.Log.Note($"client {number} ({peer}): turned away, {reason}");
                transport.Dispose();
                return;
            }

            NbdConnection connection = new(this, transport, number, peer);
            _connections.Add(connection);
            try { connection.Start(); }
            catch (OutOfMemoryException cause)
            {
                Options.Log.Fault($"client {number} ({peer}): turned away, no thread is to be had", cause);
                _connections.Remove(connection);
                transport.Dispose();
            }
        }
    }

    private static void SetTcpOptions(Socket socket)
    {
        try
        {
            socket.NoDelay = true;

            // A machine that was switched off says no goodbye; it must not keep its connection for ever.
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, KeepAliveSeconds);
        }
        catch (SocketException)
        {
            // The client has left already, as its connection's thread will find out.
        }
    }

    private string? WhyTurnAway(IPAddress? address)
    {
        if (_isStopping) return "the server is stopping";
        if (address is not null && !Options.Allows(address)) return "its address is not allowed";
        return _connections.Count < Options.MaxConnections ? null : $"{_connections.Count} are connected";
    }

    private bool TryEnd(Action<NbdConnection> end)
    {
        NbdConnection[] connections;
        lock (_gate) connections = [.. _connections];
        foreach (NbdConnection connection in connections) end(connection);

        long start = Options.Time.GetTimestamp();
        lock (_gate)
        {
            while (_connections.Count > 0)
            {
                TimeSpan left = Options.DrainTimeout - Options.Time.GetElapsedTime(start);
                if (left <= TimeSpan.Zero || !Monitor.Wait(_gate, left)) return _connections.Count == 0;
            }
        }

        return true;
    }
}
