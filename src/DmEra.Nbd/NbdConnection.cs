using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd;

/// <summary>One client: a thread that goes through the handshake and then serves requests until either side ends it.
/// </summary>
internal sealed class NbdConnection
{
    private readonly INbdTransport _socket;
    private readonly string _client;
    private readonly string _name;
    private NbdServer _server;      // that of the export, as soon as one is chosen
    private ConnectionLog _log;
    private int _isNegotiated;  // set by the connection's thread or by the timer, whichever is first

    public NbdConnection(NbdServer server, INbdTransport transport, int number, string peer)
    {
        _server = server;
        _socket = transport;
        _client = $"client {number} ({peer})";
        _log = new ConnectionLog(server.Options.Log, _client);
        _name = $"nbd-{number}";
    }

    /// <summary>Begins to serve.</summary>
    /// <exception cref="OutOfMemoryException">No thread is to be had.</exception>
    public void Start() => _server.Options.Threads.Start(_name, Run);

    /// <summary>Lets the client's requests so far be served, and then ends.</summary>
    public void StopReceiving() => _socket.StopReceiving();

    /// <summary>Ends as soon as the device lets go of requests under way.</summary>
    public void Abort() => _socket.Abort();

    /// <summary>The same, with a reason that is not the client's fault.</summary>
    public void Abort(string reason)
    {
        _log.Note($"dropped: {reason}");
        Abort();
    }

    private void Run()
    {
        try
        {
            Serve();
        }
        catch (NbdProtocolException violation)
        {
            _log.Note($"dropped: {violation.Message}");
        }
        catch (Exception cause)
        {
            _log.Fault("failed unexpectedly", cause);
        }
        finally
        {
            _server.Remove(this);
        }
    }

    private void Serve()
    {
        NbdHandshake handshake = new(_socket, _server.Exports, _server.Options.Tls)
        {
            WhyRefuse = WhyRefuse,
        };
        try
        {
            if (Negotiate(handshake) is not { } session) return;
            _log.Note($"opened \"{session.Export.Name}\"");
            new NbdTransmission(session, handshake.Transport, _server.Workers.Queue, _server.Buffers, _log, _server.Options.Threads)
                .Run();
            _log.Note("closed");
        }
        finally
        {
            handshake.Transport.Dispose();
        }
    }

    private NbdSession? Negotiate(NbdHandshake handshake)
    {
        TimeSpan limit = _server.Options.HandshakeTimeout;
        using ITimer timer = _server.Options.Threads.Time.CreateTimer(
            _ =>
            {
                if (Interlocked.Exchange(ref _isNegotiated, 1) != 0) return;
                Abort($"no export chosen within {limit.TotalSeconds} s");
            },
            null,
            limit,
            Timeout.InfiniteTimeSpan);
        return handshake.Run();
    }

    // Before the client learns that it may use the export: what it was told must not be taken back by the timer.
    private string? WhyRefuse(NbdExport export)
    {
        if (_server.WhyRefuse(this, export, out NbdServer home) is { } reason) return reason;
        _server = home;
        _log = new ConnectionLog(home.Options.Log, _client);
        return Interlocked.Exchange(ref _isNegotiated, 1) == 0 ? null : "it took too long";
    }
}
