using System.Diagnostics;
using DmEra.Devices;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;

namespace DmEra.Nbd.Client;

/// <summary>
/// A server that may go away and come back. Requests enter the session of the moment; when it is lost they leave it, one of
/// them makes the next session, and all are done again there.
/// </summary>
internal sealed class RemoteServer : IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly NbdClientOptions _options;
    private readonly ClientTls? _tls;
    private readonly NbdBuffers _buffers = new();
    private readonly UnstableWrites _unstable;

    private readonly object _gate = new();  // guards all below; pulsed when one of them changes
    private ClientSession _session;
    private RemoteExport _export;
    private int _inside;
    private bool _isUsed;                   // since it connected
    private bool _mayHaveOtherLength;
    private bool _isConnecting;
    private bool _isDisposed;
    private string? _whyAway;               // null while the server is there

    private RemoteServer(NbdUri uri, ClientTls? tls, NbdClientOptions options)
    {
        Uri = uri;
        _tls = tls;
        _options = options;
        _unstable = new UnstableWrites(options.UnstableBytes);
        _session = ClientSession.Open(uri, tls, options.Connections, _buffers);
        _export = _session.Export;
    }

    public NbdUri Uri { get; }

    /// <summary>What the server said of the export.</summary>
    public RemoteExport Export => Volatile.Read(ref _export);

    /// <summary>Connects to a server.</summary>
    /// <exception cref="IOException">It cannot be reached, or refuses; or the certificates cannot be loaded.</exception>
    public static RemoteServer Connect(NbdUri uri, NbdClientOptions options) =>
        new(uri, uri.UsesTls ? new ClientTls(uri.TlsCertificates) : null, options);

    /// <summary>Has the server do something, as often as it takes.</summary>
    /// <exception cref="DeviceException">The server failed at it, or was away for too long.</exception>
    public void Do(in ClientRequest request, ReadOnlySpan<byte> payload = default, Span<byte> data = default, List<Extent>? extents = null)
    {
        long lostAt = 0;
        NbdError error;
        string text;
        while (!TryDo(request, payload, data, extents, ref lostAt, out error, out text))
        {
        }

        if (error != NbdError.None) throw Failed(request, text, (int)error);
        if (request.IsChange && _unstable.IsFull) Flush();
    }

    /// <summary>Makes what has been acknowledged stable.</summary>
    /// <exception cref="DeviceException">The server failed at it, or was away for too long.</exception>
    public void Flush()
    {
        if (!Export.Can(TransmissionFlags.SendFlush)) return;
        long mark = _unstable.Mark;
        Do(new ClientRequest(Command.Flush));
        _unstable.Forget(mark);
    }

    /// <summary>Learns the size of the export anew, as clients do when they connect.</summary>
    /// <exception cref="DeviceException">The server was away for too long.</exception>
    public void RefreshLength()
    {
        lock (_gate)
        {
            if (!_isUsed) return;   // what it said is as new as the connection

            // Not one more connection: there are servers that take one at a time.
            _session.Abort();
            _mayHaveOtherLength = true;
        }

        long lostAt = 0;
        Enter(new ClientRequest(Command.Cache), ref lostAt);
        Leave();
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            Monitor.PulseAll(_gate);
            if (_inside > 0) _session.Abort();
            while (_inside > 0 || _isConnecting) Monitor.Wait(_gate);
        }

        _session.Dispose();
    }

    private bool TryDo(
        in ClientRequest request, ReadOnlySpan<byte> payload, Span<byte> data, List<Extent>? extents,
        ref long lostAt, out NbdError error, out string text)
    {
        ClientSession session = Enter(request, ref lostAt);
        try
        {
            (error, text) = session.Next().Ask(request, payload, data, extents);
            if (error == NbdError.Shutdown) throw new ConnectionLostException("the server is shutting down");
            if (error == NbdError.None && request.IsChange && Export.Can(TransmissionFlags.SendFlush))
                _unstable.Add(request, payload);
            return true;
        }
        catch (ConnectionLostException loss)
        {
            (error, text) = (NbdError.Io, "");
            if (lostAt == 0) lostAt = Stopwatch.GetTimestamp();
            Lose(session, loss.Message);
            return false;
        }
        finally
        {
            Leave();
        }
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (--_inside == 0) Monitor.PulseAll(_gate);
        }
    }

    private void Lose(ClientSession session, string why)
    {
        lock (_gate)
        {
            if (session.IsLost) return;
            session.Abort();
            _whyAway = why;
        }

        _options.Log($"{Uri}: {why}; requests wait until it is back");
    }

    private ClientSession Enter(in ClientRequest request, ref long lostAt)
    {
        lock (_gate)
        {
            while (true)
            {
                if (_isDisposed) throw Failed(request, "the device was closed", Errno.ESHUTDOWN);
                if (!_isConnecting && !_session.IsLost)
                {
                    _inside++;
                    _isUsed = true;
                    return _session;
                }

                if (lostAt == 0) lostAt = Stopwatch.GetTimestamp();
                TimeSpan left = _options.RetryTime - Stopwatch.GetElapsedTime(lostAt);
                if (left <= TimeSpan.Zero) throw Failed(request, _whyAway ?? "", Errno.EIO);
                if (_isConnecting) Monitor.Wait(_gate, left);
                else Reconnect(left);
            }
        }
    }

    // Holds the gate, but not while it waits or connects.
    private void Reconnect(TimeSpan limit)
    {
        long start = Stopwatch.GetTimestamp();
        TimeSpan pause = FirstPause;
        _isConnecting = true;
        try
        {
            while (_inside > 0) Monitor.Wait(_gate);
            while (!_isDisposed && !TryReconnect())
            {
                TimeSpan left = limit - Stopwatch.GetElapsedTime(start);
                if (left <= TimeSpan.Zero) return;
                Monitor.Wait(_gate, pause < left ? pause : left);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
        finally
        {
            _isConnecting = false;
            Monitor.PulseAll(_gate);
        }
    }

    private bool TryReconnect()
    {
        ClientSession? next = null;
        string? whyNot = null;
        Monitor.Exit(_gate);
        try
        {
            next = ClientSession.Open(Uri, _tls, _options.Connections, _buffers);
            RequireSame(next.Export);
            _unstable.Replay(next);
        }
        catch (Exception fault) when (fault is IOException or ConnectionLostException)
        {
            next?.Abort();
            next?.Dispose();
            whyNot = fault.Message;
        }
        finally
        {
            Monitor.Enter(_gate);
        }

        if (whyNot is not null)
        {
            _whyAway = whyNot;
            return false;
        }

        _session.Dispose();
        _session = next!;
        Volatile.Write(ref _export, _session.Export);
        _isUsed = _mayHaveOtherLength = false;
        if (_whyAway is not null) _options.Log($"{Uri}: back");
        _whyAway = null;
        return true;
    }

    // What was agreed on with clients must hold on.
    private void RequireSame(RemoteExport found)
    {
        RemoteExport known = Export with { AllocationId = found.AllocationId };
        if (_mayHaveOtherLength) known = known with { Length = found.Length };
        if (found != known) throw new IOException("it is another export now");
    }

    private DeviceException Failed(in ClientRequest request, string why, int errno) =>
        new($"{Uri}: cannot {request.Command.ToString().ToLowerInvariant()} at byte {request.Offset}" + (why.Length == 0 ? "" : $": {why}"), errno);
}
