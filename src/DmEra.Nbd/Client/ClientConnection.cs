using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Client;

/// <summary>
/// A connection in the transmission phase. Any number of threads ask at once and wait for their answers, which one
/// thread of the connection's own receives in whatever order they come.
/// </summary>
internal sealed class ClientConnection : IDisposable
{
    private const int LargestTogether = 16 << 10;
    private const int MostHints = 64;

    private readonly INbdTransport _transport;
    private readonly NbdBuffers _buffers;
    private readonly ReplyReader _replies;
    private readonly IThreads _threads;
    private readonly Completion _received;

    private readonly Lock _lock = new();    // guards the five below
    private readonly Dictionary<ulong, ClientCall> _calls = [];
    private readonly Stack<ClientCall> _free = [];
    private ulong _lastCookie;
    private int _hints;
    private string? _lostBecause;

    private readonly IMonitor _sending;         // guards the one below, and sending
    private readonly byte[] _together = new byte[LargestTogether];

    public ClientConnection(INbdTransport transport, RemoteExport export, NbdBuffers buffers, IThreads threads, string name)
    {
        _transport = transport;
        _buffers = buffers;
        Export = export;
        _replies = new ReplyReader(transport, export);
        _threads = threads;
        _received = new Completion(threads);
        _sending = threads.CreateMonitor();
        threads.Start(name, Receive);
    }

    public RemoteExport Export { get; }

    /// <summary>Asks, and waits for the answer.</summary>
    /// <param name="request">What to do.</param>
    /// <param name="payload">What a write writes.</param>
    /// <param name="data">Receives what a read reads.</param>
    /// <param name="extents">Receives the extents of a block status.</param>
    /// <returns>What the server answered, with the text of an error.</returns>
    /// <exception cref="ConnectionLostException">No answer came.</exception>
    public (NbdError Error, string Text) Ask(
        in ClientRequest request, ReadOnlySpan<byte> payload, Span<byte> data, List<Extent>? extents)
    {
        ClientCall call;
        ulong cookie;
        lock (_lock) call = Begin(request, isHint: false, out cookie);
        try
        {
            // When that fails, the receiver finds out, too.
            if (!TrySend(request, cookie, payload)) _transport.Abort();
            call.Wait();
            if (call.LostBecause is { } why) throw new ConnectionLostException(why);
            if (call.Error == NbdError.None)
            {
                call.Data.CopyTo(data);
                extents?.AddRange(call.Extents);
            }

            return (call.Error, call.ErrorText);
        }
        finally
        {
            End(call);
        }
    }

    /// <summary>Asks for something that nobody waits for. With too many such requests under way, nothing happens.</summary>
    /// <exception cref="ConnectionLostException">There is no connection any more.</exception>
    public void Hint(in ClientRequest request)
    {
        ulong cookie;
        lock (_lock)
        {
            if (_hints == MostHints) return;
            Begin(request, isHint: true, out cookie);
            _hints++;
        }

        if (!TrySend(request, cookie, [])) _transport.Abort();
    }

    /// <summary>Ends both directions; whoever waits for an answer learns that none will come.</summary>
    public void Abort() => _transport.Abort();

    /// <summary>Says goodbye, and waits for the receiving thread.</summary>
    public void Dispose()
    {
        if (TrySend(new ClientRequest(Command.Disconnect), 0, [])) _transport.StopReceiving();
        else _transport.Abort();
        _received.Wait();
        _transport.Dispose();
    }

    // Under the lock.
    private ClientCall Begin(in ClientRequest request, bool isHint, out ulong cookie)
    {
        if (_lostBecause is not null) throw new ConnectionLostException(_lostBecause);
        if (!_free.TryPop(out ClientCall? call)) call = new ClientCall(_buffers, _threads);
        call.Begin(request, isHint);
        cookie = ++_lastCookie;
        _calls.Add(cookie, call);
        return call;
    }

    private void End(ClientCall call)
    {
        call.End();
        lock (_lock)
        {
            if (call.IsHint) _hints--;
            _free.Push(call);
        }
    }

    private bool TrySend(in ClientRequest request, ulong cookie, ReadOnlySpan<byte> payload)
    {
        using MonitorHold hold = _sending.Hold();
        ref CompactRequest header = ref MemoryMarshal.AsRef<CompactRequest>(_together.AsSpan());
        header.Magic = Magic.Request;
        header.Flags = (ushort)request.Flags;
        header.Command = (ushort)request.Command;
        header.Cookie = cookie;
        header.Offset = (ulong)request.Offset;
        header.Length = (uint)request.Length;
        int headerSize = Unsafe.SizeOf<CompactRequest>();
        if (headerSize + payload.Length > LargestTogether)
            return _transport.TrySend(_together.AsSpan(0, headerSize)) && _transport.TrySend(payload);

        payload.CopyTo(_together.AsSpan(headerSize));
        return _transport.TrySend(_together.AsSpan(0, headerSize + payload.Length));
    }

    private void Receive()
    {
        string why = "the server closed the connection";
        try
        {
            while (_replies.TryReadNext(out ulong cookie)) Answer(cookie);
        }
        catch (NbdProtocolException violation)
        {
            why = $"the server broke the protocol: {violation.Message}";
        }

        _transport.Abort();
        ClientCall[] left;
        lock (_lock)
        {
            _lostBecause = why;
            left = [.. _calls.Values];
            _calls.Clear();
        }

        foreach (ClientCall call in left) call.Lose(why);
        _received.Complete();
    }

    private void Answer(ulong cookie)
    {
        ClientCall? call;
        lock (_lock) _calls.TryGetValue(cookie, out call);
        if (call is null) throw new NbdProtocolException($"a reply to request {cookie}, which there is not");
        if (!_replies.ReadBody(call)) return;
        call.RequireWhole();
        lock (_lock) _calls.Remove(cookie);
        if (call.IsHint) End(call);
        else call.Complete();
    }
}
