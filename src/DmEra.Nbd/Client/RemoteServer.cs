using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Client;

/// <summary>
/// A server that may go away and come back. Requests enter the session of the moment; when it is lost they leave it, one of
/// them makes the next session and repeats there what was acknowledged but not made stable, and all are done again.
/// </summary>
/// <remarks>A flush that the server failed is treated alike: what it was for may be lost, as after a crash. It is
/// repeated before anything else happens, so that a later flush that succeeds is for that as well.</remarks>
internal sealed class RemoteServer : IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    // What a server said of its export when it was connected to counts as new for so long, if nothing was asked of it since: a
    // device is opened and resumed at once, and there are servers that end with their first connection.
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(10);

    private readonly NbdClientOptions _options;
    private readonly SessionOpener _sessions;
    private readonly IThreads _threads;
    private readonly UnstableWrites _unstable;
    private readonly Turns _flushing;       // one at a time: of two, one could succeed because the other was told of a loss

    private readonly IMonitor _gate;        // guards all below; pulsed when one of them changes
    private ClientSession _session;
    private RemoteExport _export;
    private int _inside;
    private bool _isUsed;                   // since it connected
    private TimeSpan _connectedAt;
    private bool _mayHaveOtherLength;
    private bool _mustRepeat;               // the server may not have what is unstable
    private bool _isBusy;                   // a thread connects or repeats, with nobody inside
    private bool _isDisposed;
    private string? _whyAway;               // null while the server is there

    /// <summary>Connects to a server.</summary>
    /// <exception cref="IOException">It cannot be reached, or refuses; or the certificates cannot be loaded.</exception>
    public RemoteServer(NbdUri uri, INbdConnector connector, NbdClientOptions options)
    {
        Uri = uri;
        _options = options;
        _threads = options.Threads;
        _gate = _threads.CreateMonitor();
        _flushing = new Turns(_threads);
        _unstable = new UnstableWrites(options.UnstableBytes);
        _sessions = new SessionOpener(uri, connector, options);
        _session = _sessions.Open();
        _connectedAt = _threads.Now;
        _export = _session.Export;
        if (!CanFlush) Tell("its server cannot flush; what it acknowledges is taken to be stable");
    }

    public NbdUri Uri { get; }

    /// <summary>What the server said of the export.</summary>
    public RemoteExport Export => Volatile.Read(ref _export);

    /// <summary>Whether there is a difference between what is acknowledged and what is stable.</summary>
    public bool CanFlush => Export.Can(TransmissionFlags.SendFlush);

    /// <summary>Has the server do something, as often as it takes.</summary>
    /// <exception cref="DeviceException">The server failed at it, or was away for too long.</exception>
    public void Do(in ClientRequest request, ReadOnlySpan<byte> payload = default, Span<byte> data = default, List<Extent>? extents = null)
    {
        // Before a change is sent: with a server that takes writes and fails flushes, what is kept would grow without end.
        if (request.IsChange && _unstable.IsFull) MakeRoom();
        Do(request, payload, data, extents, lostAt: null);
    }

    /// <summary>Tells the server something that it need not answer; not at all when it is away.</summary>
    public void Hint(in ClientRequest request)
    {
        ClientSession session;
        using (_gate.Hold())
        {
            if (_isDisposed || _isBusy || _mustRepeat || _session.IsLost) return;
            _inside++;
            session = _session;
        }

        try { session.Next().Hint(request); }
        catch (ConnectionLostException) { /* The next request finds out. */ }
        finally
        {
            Leave();
        }
    }

    /// <summary>Makes what has been acknowledged stable.</summary>
    /// <exception cref="DeviceException">The server failed at it, or was away for too long.</exception>
    public void Flush()
    {
        if (!CanFlush) return;
        TimeSpan asked = _threads.Now;
        using Turns.Turn turn = _flushing.Take();
        FlushInTurn(asked);
    }

    /// <summary>Learns the size of the export anew, as clients do when they connect.</summary>
    /// <exception cref="DeviceException">The server was away for too long.</exception>
    public void RefreshLength()
    {
        using MonitorHold hold = _gate.Hold();
        if (!_isUsed && _threads.Now - _connectedAt < Freshness) return;

        // Not one more connection: there are servers that take one at a time.
        _session.Abort();
        _mayHaveOtherLength = true;
        TimeSpan? lostAt = null;
        try
        {
            AwaitSession(new ClientRequest(Command.Cache), ref lostAt);
            _isUsed = true;     // asked once more, it is to look once more
        }
        finally
        {
            _mayHaveOtherLength = false;
        }
    }

    public void Dispose()
    {
        using (_gate.Hold())
        {
            if (_isDisposed) return;
            _isDisposed = true;
            _gate.PulseAll();
            if (_inside > 0 || _isBusy) _session.Abort();
            while (_inside > 0 || _isBusy) _gate.Wait();
        }

        _session.Dispose();
    }

    // While the server is away the time counts from when the flush was asked for: those that wait for their turn would else wait
    // one after the other.
    private void FlushInTurn(TimeSpan asked)
    {
        long mark = _unstable.Mark;
        TimeSpan? lostAt;
        using (_gate.Hold()) lostAt = _session.IsLost ? asked : null;
        try { Do(new ClientRequest(Command.Flush), payload: [], data: [], extents: null, lostAt); }
        catch (DeviceException)
        {
            using MonitorHold hold = _gate.Hold();
            _mustRepeat = true;
            throw;
        }

        _unstable.Forget(mark);
    }

    private void MakeRoom()
    {
        TimeSpan asked = _threads.Now;
        using Turns.Turn turn = _flushing.Take();
        if (_unstable.IsFull) FlushInTurn(asked);
    }

    private void Do(
        in ClientRequest request, ReadOnlySpan<byte> payload, Span<byte> data, List<Extent>? extents, TimeSpan? lostAt)
    {
        NbdError error;
        string text;
        while (!TryDo(request, payload, data, extents, ref lostAt, out error, out text))
        {
        }

        if (error != NbdError.None) throw Failed(request, text, (int)error);
    }

    private bool TryDo(
        in ClientRequest request, ReadOnlySpan<byte> payload, Span<byte> data, List<Extent>? extents,
        ref TimeSpan? lostAt, out NbdError error, out string text)
    {
        ClientSession session = Enter(request, ref lostAt);
        TimeSpan sent = _threads.Now;
        try
        {
            (error, text) = session.Next().Ask(request, payload, data, extents);
            if (error == NbdError.Shutdown) throw new ConnectionLostException("the server is shutting down");
            if (error == NbdError.None && request.IsChange && CanFlush) _unstable.Add(request, payload);
            return true;
        }
        catch (ConnectionLostException loss)
        {
            (error, text) = (NbdError.Io, "");

            // One that the server was busy with for so long meets another outage now, not the one before.
            TimeSpan now = _threads.Now;
            if (lostAt is null || now - sent > _options.RetryTime) lostAt = now;
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
        using MonitorHold hold = _gate.Hold();
        if (--_inside == 0) _gate.PulseAll();
    }

    private void Lose(ClientSession session, string why)
    {
        using (_gate.Hold())
        {
            if (session.IsLost) return;
            session.Abort();
            _whyAway = why;
        }

        Tell($"{why}; requests wait until it is back");
    }

    private ClientSession Enter(in ClientRequest request, ref TimeSpan? lostAt)
    {
        using MonitorHold hold = _gate.Hold();
        AwaitSession(request, ref lostAt);
        while (_mustRepeat)
        {
            Repeat(request);
            AwaitSession(request, ref lostAt);
        }

        _inside++;
        _isUsed = true;
        return _session;
    }

    // Holds the gate, but not while it waits or connects.
    private void AwaitSession(in ClientRequest request, ref TimeSpan? lostAt)
    {
        while (true)
        {
            if (_isDisposed) throw Failed(request, "the device was closed", Errno.ESHUTDOWN);
            if (!_isBusy && !_session.IsLost) return;
            TimeSpan now = _threads.Now;
            lostAt ??= now;
            TimeSpan left = lostAt.Value + _options.RetryTime - now;
            if (left <= TimeSpan.Zero) throw Failed(request, _whyAway ?? "", Errno.EIO);
            if (_isBusy) _gate.Wait(left);
            else Reconnect(left);
        }
    }

    // As above.
    private void Reconnect(TimeSpan limit)
    {
        TimeSpan end = _threads.Now + limit;
        TimeSpan pause = FirstPause;
        using Alone alone = BeAlone();
        while (!_isDisposed && !TryReconnect())
        {
            TimeSpan left = end - _threads.Now;
            if (left <= TimeSpan.Zero) return;
            _gate.Wait(pause < left ? pause : left);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    private bool TryReconnect()
    {
        ClientSession? next = null;
        string? whyNot = null;
        _gate.Leave();
        try
        {
            next = _sessions.Open();
            RequireSame(next.Export);
        }
        catch (IOException fault)
        {
            next?.Dispose();
            whyNot = fault.Message;
        }
        finally
        {
            _gate.Enter();
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
        _connectedAt = _threads.Now;
        _mustRepeat = true;
        if (_whyAway is not null) Tell("back");
        _whyAway = null;
        return true;
    }

    // Before anything else is asked of a server that may have lost it: the order is that of the acknowledgements, and
    // nobody may read what was there before. Holds the gate, but not while it waits or asks.
    private void Repeat(in ClientRequest request)
    {
        using Alone alone = BeAlone();
        ClientSession session = _session;
        if (session.IsLost || _isDisposed) return;
        _gate.Leave();
        try
        {
            _unstable.Repeat(session);
        }
        catch (ConnectionLostException loss)
        {
            Lose(session, loss.Message);
            return;
        }
        catch (IOException refusal)
        {
            throw Failed(request, refusal.Message, Errno.EIO);
        }
        finally
        {
            _gate.Enter();
        }

        _mustRepeat = false;
    }

    // What was agreed on with clients must hold on.
    private void RequireSame(RemoteExport found)
    {
        RemoteExport known = _mayHaveOtherLength ? Export with { Length = found.Length } : Export;
        if (!found.IsSameAs(known)) throw new IOException("it is another export now");
    }

    private void Tell(string what)
    {
        // Whoever listens must not be able to end a request.
        try { _options.Log($"{Uri}: {what}"); }
        catch (Exception)
        {
            return;     // there is nobody to tell
        }
    }

    private DeviceException Failed(in ClientRequest request, string why, int errno) =>
        new($"{Uri}: cannot {request.Command.ToString().ToLowerInvariant()} at byte {request.Offset}" + (why.Length == 0 ? "" : $": {why}"), errno);

    // Holds the gate; waits until nobody is inside, and keeps everybody else out.
    private Alone BeAlone()
    {
        _isBusy = true;
        while (_inside > 0) _gate.Wait();
        return new Alone(this);
    }

    private readonly ref struct Alone(RemoteServer server)
    {
        public void Dispose()
        {
            server._isBusy = false;
            server._gate.PulseAll();
        }
    }
}
