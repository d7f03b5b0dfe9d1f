using DmEra.Devices.Threads;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Transmission;

/// <summary>
/// Sends the replies of one connection, one after the other. A worker that finds another thread sending leaves its
/// reply to that one: replies that become ready together go out together, and a client that does not take its
/// replies holds up one worker at most.
/// </summary>
/// <param name="transport">The connection.</param>
/// <param name="sent">Called when a reply is done with.</param>
/// <param name="log">Where a transport that breaks is reported.</param>
/// <param name="threads">Where threads wait for each other.</param>
internal sealed class ReplyQueue(INbdTransport transport, Action<NbdWork> sent, ConnectionLog log, IThreads threads)
{
    private const int LargestTogether = 16 << 10;

    private readonly IMonitor _gate = threads.CreateMonitor();  // guards the four below; pulsed when the sender leaves
    private NbdWork? _first;
    private NbdWork? _last;
    private bool _isSending;
    private bool _isBatchWaiting;

    // Used by the sender.
    private readonly byte[] _together = new byte[LargestTogether];
    private int _togetherLength;
    private bool _isLost;

    /// <summary>By a worker: sends a reply, or leaves it to the thread that is sending.</summary>
    public void Send(NbdWork work)
    {
        using (_gate.Hold())
        {
            if (_last is null) _first = work;
            else _last.Next = work;
            _last = work;
            if (_isSending) return;
            _isSending = true;
        }

        SendQueued();
    }

    /// <summary>By the connection's own thread: sends the replies that it made itself.</summary>
    public void Send(ReadOnlySpan<byte> batch)
    {
        using (_gate.Hold())
        {
            _isBatchWaiting = true;
            while (_isSending) _gate.Wait();
            _isBatchWaiting = false;
            _isSending = true;
        }

        Transmit(batch);
        SendQueued();
    }

    /// <summary>Waits until nothing is on its way any more: a request is over before its reply, gathered with others, is
    /// sent.</summary>
    public void AwaitSender()
    {
        using MonitorHold hold = _gate.Hold();
        while (_isSending) _gate.Wait();
    }

    private void SendQueued()
    {
        while (TryTakeQueue() is { } work)
        {
            for (NbdWork? next; work is not null; work = next)
            {
                next = work.Next;
                SendOne(work.Reply);
                sent(work);
            }

            SendTogether();
        }
    }

    private NbdWork? TryTakeQueue()
    {
        using MonitorHold hold = _gate.Hold();
        NbdWork? queue = _isBatchWaiting ? null : _first;
        if (queue is null)
        {
            _isSending = false;
            _gate.Pulse();
            return null;
        }

        _first = _last = null;
        return queue;
    }

    private void SendOne(ReadOnlySpan<byte> reply)
    {
        if (_togetherLength + reply.Length > LargestTogether) SendTogether();
        if (reply.Length > LargestTogether)
        {
            Transmit(reply);
            return;
        }

        reply.CopyTo(_together.AsSpan(_togetherLength));
        _togetherLength += reply.Length;
    }

    private void SendTogether()
    {
        Transmit(_together.AsSpan(0, _togetherLength));
        _togetherLength = 0;
    }

    // Whatever becomes of it, the sender goes on: every request must come to its end.
    private void Transmit(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty || _isLost) return;
        try { _isLost = !transport.TrySend(data); }
        catch (Exception cause)
        {
            _isLost = true;
            log.Fault("cannot send", cause);
            transport.Abort();
        }
    }
}
