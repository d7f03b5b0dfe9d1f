using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd;

/// <summary>One client: a thread that goes through the handshake and then serves requests until either side ends it.
/// </summary>
internal sealed class NbdConnection
{
    private const int StackBytes = 512 << 10;

    private readonly NbdServer _server;
    private readonly INbdTransport _transport;
    private readonly ConnectionLog _log;
    private readonly Thread _thread;

    public NbdConnection(NbdServer server, INbdTransport transport, int number, string peer)
    {
        _server = server;
        _transport = transport;
        _log = new ConnectionLog(server.Options.Log, $"client {number} ({peer})");
        _thread = new Thread(Run, StackBytes) { IsBackground = true, Name = $"nbd-{number}" };
    }

    public void Start() => _thread.Start();

    /// <summary>Lets the client's requests so far be served, and then ends.</summary>
    public void StopReceiving() => _transport.StopReceiving();

    /// <summary>Ends as soon as the device lets go of requests under way.</summary>
    public void Abort() => _transport.Abort();

    private void Run()
    {
        try
        {
            if (Negotiate() is not { } session) return;
            _log.Note($"opened \"{session.Export.Name}\"");
            new NbdTransmission(session, _transport, _server.Workers.Queue, _server.Buffers, _log).Run();
            _log.Note("closed");
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
            _transport.Dispose();
            _server.Remove(this);
        }
    }

    private NbdSession? Negotiate()
    {
        TimeSpan limit = _server.Options.HandshakeTimeout;
        using ITimer timer = _server.Options.Time.CreateTimer(
            _ =>
            {
                _log.Note($"dropped: no export chosen within {limit.TotalSeconds} s");
                _transport.Abort();
            },
            null,
            limit,
            Timeout.InfiniteTimeSpan);
        return new NbdHandshake(_transport, _server.Exports).Run();
    }
}
