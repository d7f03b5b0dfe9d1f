using System.Net;
using System.Net.Sockets;
using System.Text;
using DmEra.Devices.Threads;
using DmEra.Nbd.Transmission;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd;

/// <summary>
/// Serves block devices to NBD clients: fixed newstyle, simple and structured replies, metadata contexts. Every
/// connection to an export sees the same device, so that a flush on one covers the writes of all. A server may stand in front of
/// others: its clients choose one of their exports as well, and belong to that other server from then on, to its workers, memory
/// and limits.
/// </summary>
/// <remarks>All members may be called by any thread. The devices are the caller's: they must outlive the server.</remarks>
public sealed class NbdServer : IDisposable
{
    private const int Backlog = 128;
    private const int KeepAliveSeconds = 60;

    private readonly IMonitor _gate;        // guards all below; pulsed when a connection ends
    private readonly List<NbdListener> _listeners = [];
    private readonly HashSet<NbdConnection> _connections = [];
    private readonly LinkedList<NbdConnection> _strangers = new();  // have not chosen an export yet; the oldest first
    private readonly HashSet<NbdConnection> _served = [];
    private int _accepted;
    private readonly IReadOnlyList<NbdExport> _exports;
    private IReadOnlyList<NbdServer> _behind = [];  // replaced as a whole
    private bool _isStopping;

    /// <summary>Creates a server, which does not listen yet.</summary>
    /// <exception cref="ArgumentException">Two exports of one name, or a name that is too long; or other machines
    /// are let in without TLS being required or waived.</exception>
    public NbdServer(IReadOnlyList<NbdExport> exports, NbdServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(exports);
        ArgumentNullException.ThrowIfNull(options);
        if (exports.DistinctBy(export => export.Name, StringComparer.Ordinal).Count() < exports.Count)
            throw new ArgumentException("two exports of one name", nameof(exports));
        if (exports.Any(export => Encoding.UTF8.GetByteCount(export.Name) > NbdLimits.NameBytes))
            throw new ArgumentException($"a name of more than {NbdLimits.NameBytes} bytes", nameof(exports));

        if (options.IsOpenInPlaintext)
            throw new ArgumentException("clients of other machines need TLS, or leave to do without", nameof(options));

        _exports = exports;
        Options = options with { Log = new GuardedLog(options.Log) };
        _gate = options.Threads.CreateMonitor();
        Buffers = new NbdBuffers(options.SharedBytes, options.Threads.Time);

        Workers = new NbdWorkers(MostWorkers(options), options.Threads);
    }

    /// <summary>How many clients are connected, those included that have not chosen an export yet.</summary>
    public int ConnectionCount
    {
        get
        {
            using MonitorHold hold = _gate.Hold();
            return _connections.Count;
        }
    }

    internal IReadOnlyList<NbdExport> Exports => [.. _exports, .. Volatile.Read(ref _behind).SelectMany(server => server.Exports)];

    internal NbdServerOptions Options { get; private set; }

    internal NbdWorkers Workers { get; }

    internal NbdBuffers Buffers { get; }

    /// <summary>Has clients choose the exports of another server as well. The names must differ.</summary>
    public void Add(NbdServer behind)
    {
        using MonitorHold hold = _gate.Hold();
        _behind = [.. _behind, behind];
    }

    /// <summary>Undoes that. Clients that have chosen one of its exports stay with it.</summary>
    public void Remove(NbdServer behind)
    {
        using MonitorHold hold = _gate.Hold();
        _behind = [.. _behind.Where(server => server != behind)];
    }

    /// <summary>Has other limits from now on: for clients that are still to come. Those that are served stay.</summary>
    /// <param name="options">As for a new server; the log and the clock stay as they are.</param>
    public void Change(NbdServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.IsOpenInPlaintext)
            throw new ArgumentException("clients of other machines need TLS, or leave to do without", nameof(options));
        Options = options with { Log = Options.Log, Threads = Options.Threads };
        Workers.AllowAtLeast(MostWorkers(options));
    }

    /// <summary>Lets clients in at a TCP address or a Unix socket, whose file only its owner may use.</summary>
    /// <returns>Where it listens, with the port that was chosen if the one asked for was 0.</returns>
    /// <exception cref="IOException">That is not possible there.</exception>
    public EndPoint Listen(EndPoint endPoint)
    {
        Socket listening = ListeningSocket.Open(endPoint, Backlog);
        try { return Listen(listening); }
        catch
        {
            listening.Dispose();
            throw;
        }
    }

    /// <summary>Lets clients in at a socket that is listening already. It is disposed of at the end, which removes the file of a
    /// Unix socket that this process bound, and leaves that of one which systemd opened for a socket unit.</summary>
    /// <returns>Where it listens.</returns>
    /// <exception cref="IOException">The server has been stopped. The socket stays the caller's.</exception>
    public EndPoint Listen(Socket listening)
    {
        ArgumentNullException.ThrowIfNull(listening);
        using MonitorHold hold = _gate.Hold();
        if (_isStopping) throw new IOException($"{listening.LocalEndPoint}: the server has been stopped; start another one");
        NbdListener listener = new(listening, Accept, Options.Log);
        _listeners.Add(listener);
        return listener.EndPoint;
    }

    /// <summary>Lets no more clients in, serves the requests that have arrived, and disconnects everybody. Returns when
    /// all is at rest, or after <see cref="NbdServerOptions.DrainTimeout"/> whatever the clients and devices do.
    /// </summary>
    public void Stop()
    {
        TimeSpan start = Options.Threads.Now;
        NbdListener[] listeners;
        using (_gate.Hold())
        {
            _isStopping = true;
            listeners = [.. _listeners];
            _listeners.Clear();
        }

        foreach (NbdListener listener in listeners) listener.Dispose();
        if (!TryEnd(connection => connection.StopReceiving(), start, Options.DrainTimeout / 2)
            && !TryEnd(connection => connection.Abort(), start, Options.DrainTimeout))
        {
            Options.Log.Note("stopped while the device still holds requests of clients that are gone");
        }

        Workers.Stop(TimeLeft(start, Options.DrainTimeout));
    }

    /// <inheritdoc/>
    public void Dispose() => Stop();

    /// <summary>Counts a client among those that the server of an export serves.</summary>
    /// <param name="connection">The client, which has not chosen before.</param>
    /// <param name="export">What it has chosen, or a view of that.</param>
    /// <param name="home">The server that it belongs to from now on.</param>
    /// <returns>Why not; null when it is one of them now.</returns>
    internal string? WhyRefuse(NbdConnection connection, NbdExport export, out NbdServer home)
    {
        home = this;
        if (_exports.Any(own => own.Device == export.Device)) return WhyRefuse(connection);
        if (Volatile.Read(ref _behind).FirstOrDefault(server => server._exports.Any(other => other.Device == export.Device)) is not { } other)
            return "it is not served any more";
        if (other.WhyNotWelcome(connection) is { } reason) return reason;
        using (_gate.Hold())
        {
            _connections.Remove(connection);
            if (_strangers.Remove(connection))
            {
                home = other;
                _gate.PulseAll();
                return null;
            }
        }

        other.Remove(connection);
        return "it took too long";
    }

    private string? WhyNotWelcome(NbdConnection connection)
    {
        using MonitorHold hold = _gate.Hold();
        if (WhyFull() is { } reason) return reason;
        _connections.Add(connection);
        _served.Add(connection);
        return null;
    }

    private string? WhyRefuse(NbdConnection connection)
    {
        using MonitorHold hold = _gate.Hold();
        if (WhyFull() is { } reason) return reason;
        if (!_strangers.Remove(connection)) return "it took too long";
        _served.Add(connection);
        return null;
    }

    internal void Remove(NbdConnection connection)
    {
        bool isLast;
        using (_gate.Hold())
        {
            _strangers.Remove(connection);
            _served.Remove(connection);
            _connections.Remove(connection);
            isLast = _connections.Count == 0;
            _gate.PulseAll();
        }

        Buffers.Trim(isLast);
    }

    // One worker a connection can be held up by a client that does not take its replies.
    private static int MostWorkers(NbdServerOptions options) => options.BusyWorkers + options.MaxConnections;

    private void Accept(Socket socket)
    {
        IPEndPoint? address = socket.RemoteEndPoint as IPEndPoint;
        if (address is not null) SetTcpOptions(socket);
        Accept(new SocketTransport(socket), address);
    }

    /// <summary>Lets a client in that has connected.</summary>
    /// <param name="transport">The connection, which is disposed of when it is over.</param>
    /// <param name="address">Where the client is; null for this machine.</param>
    internal void Accept(INbdTransport transport, IPEndPoint? address)
    {
        using MonitorHold hold = _gate.Hold();
        int number = ++_accepted;
        string peer = address?.ToString() ?? "unix";
        if (WhyTurnAway(address?.Address) is { } reason)
        {
            Options.Log.Note($"client {number} ({peer}): turned away, {reason}");
            transport.Dispose();
            return;
        }

        // Whoever comes and says nothing makes room for who may have something to say.
        if (_strangers.First is { } oldest && _strangers.Count >= Math.Max(NbdLimits.Handshakes, Options.MaxConnections))
        {
            oldest.Value.Abort("others want to come in");
            _strangers.RemoveFirst();
        }

        NbdConnection connection = new(this, transport, number, peer);
        _connections.Add(connection);
        _strangers.AddLast(connection);
        try { connection.Start(); }
        catch (OutOfMemoryException cause)
        {
            Options.Log.Fault($"client {number} ({peer}): turned away, no thread is to be had", cause);
            _connections.Remove(connection);
            _strangers.RemoveLast();
            transport.Dispose();
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
        if (address is not null && !Options.Allows(address)) return "its address is not allowed";
        return WhyFull();
    }

    private string? WhyFull()
    {
        if (_isStopping) return "the server is stopping";
        return _served.Count < Options.MaxConnections ? null : $"{_served.Count} clients are served already";
    }

    private bool TryEnd(Action<NbdConnection> end, TimeSpan start, TimeSpan limit)
    {
        NbdConnection[] connections;
        using (_gate.Hold()) connections = [.. _connections];
        foreach (NbdConnection connection in connections) end(connection);

        using MonitorHold hold = _gate.Hold();
        while (_connections.Count > 0)
        {
            TimeSpan left = TimeLeft(start, limit);
            if (left == TimeSpan.Zero) return false;
            _gate.Wait(left);
        }

        return true;
    }

    private TimeSpan TimeLeft(TimeSpan start, TimeSpan limit)
    {
        TimeSpan left = start + limit - Options.Threads.Now;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
