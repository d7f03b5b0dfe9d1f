using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Transmission;

/// <summary>
/// The transmission phase of one connection, as its own thread runs it: receives many requests at once, executes those
/// which the device can do without waiting, and sends all their replies together. Everything that would wait goes to
/// a worker, so that a slow request never holds up the ones behind it.
/// </summary>
internal sealed class NbdTransmission
{
    // Longer requests gain nothing from sharing a receive or a send with others.
    private const int LargestInline = PieceExecutor.PieceBytes;

    private readonly NbdSession _session;
    private readonly IImmediateAccess? _immediate;      // of the device
    private readonly INbdTransport _transport;
    private readonly Action<NbdWork> _later;
    private readonly ConnectionLog _log;
    private readonly NbdBuffers _buffers;
    private readonly int _headerSize;
    private readonly ReplyEncoder _encoder;
    private readonly RequestExecutor _executor;
    private readonly PieceExecutor _pieces;
    private readonly ReplyQueue _replies;
    private readonly WorkSlots _slots;

    // Of the connection's thread.
    private readonly byte[] _inputBuffer;
    private readonly InputBuffer _input;
    private readonly byte[] _batchBuffer;
    private readonly ReplyBatch _batch;

    /// <summary>Prepares a connection.</summary>
    /// <param name="session">What was negotiated.</param>
    /// <param name="transport">The connection.</param>
    /// <param name="later">Has <see cref="NbdWork.Run"/> called on another thread.</param>
    /// <param name="buffers">Memory shared with other connections.</param>
    /// <param name="log">Where faults are reported.</param>
    /// <param name="threads">Where threads wait for each other.</param>
    public NbdTransmission(
        NbdSession session, INbdTransport transport, Action<NbdWork> later, NbdBuffers buffers, ConnectionLog log, IThreads threads)
    {
        _session = session;
        _immediate = session.Export.Device as IImmediateAccess;
        _transport = transport;
        _later = later;
        _buffers = buffers;
        _log = log;
        _headerSize = NbdRequest.HeaderSize(session.Style);
        _encoder = new ReplyEncoder(session.Style);
        _executor = new RequestExecutor(session, _encoder, buffers);
        _slots = new WorkSlots(this, buffers, threads);
        _replies = new ReplyQueue(transport, _slots.Return, log, threads);
        _inputBuffer = buffers.Rent(LargestInline + _headerSize);
        _batchBuffer = buffers.Rent(LargestInline + NbdBuffers.HeaderRoom);
        _batch = new ReplyBatch(_replies, _batchBuffer);
        _input = new InputBuffer(transport, _inputBuffer, _batch.Send);     // what is ready does not wait for the client
        _pieces = new PieceExecutor(session.Export.Device, _executor, _encoder, _input, _batch, log);
    }

    /// <summary>Serves requests until the client disconnects, then sees those under way to their end.</summary>
    /// <exception cref="NbdProtocolException">What came was not a request.</exception>
    public void Run()
    {
        try
        {
            while (ServeNext())
            {
            }
        }
        finally
        {
            _batch.Send();
            _slots.AwaitAll();
            _replies.AwaitSender();
            _buffers.Return(_inputBuffer);
            _buffers.Return(_batchBuffer);
        }
    }

    /// <summary>By a worker: executes a request and replies to it.</summary>
    public void Serve(NbdWork work)
    {
        try
        {
            _executor.Execute(work);
        }
        catch (DeviceException fault)
        {
            _log.Fault(work.Request, fault);
            work.ClearReply();
            Span<byte> reply = work.Reserve(ReplyEncoder.LongestShortReply);
            work.Add(_encoder.WriteError(reply, work.Request, NbdErrno.From(fault), ""));
        }

        _replies.Send(work);
    }

    /// <summary>By a worker: ends the connection because of a fault in this program.</summary>
    public void Abandon(NbdWork work, Exception cause)
    {
        _log.Fault($"{work.Request.Command} failed unexpectedly", cause);
        _transport.Abort();
        _slots.Return(work);
    }

    private bool ServeNext()
    {
        if (!_input.TryFill(_headerSize)) return false;
        NbdRequest request = NbdRequest.Parse(_input.Peek(_headerSize), _session.Style);
        _input.Skip(_headerSize);
        if (request.Command == Command.Disconnect) return false;
        if (request.PayloadLength > NbdLimits.DiscardBytes)
            throw new NbdProtocolException($"{request.Command} with {request.PayloadLength} bytes of payload");

        Refusal refusal = RequestRules.Check(request, _session);
        if (refusal.Error != NbdError.None)
        {
            // Clients do not expect an answer to what they are still sending.
            if (!_input.TryDiscard((int)request.PayloadLength)) return false;
            _batch.Add(_encoder.WriteError(ReserveShort(), request, refusal.Error, refusal.Text));
            return true;
        }

        if (request is { Length: 0, WantsFlush: false, Command: not (Command.Flush or Command.BlockStatus) })
            return Acknowledge(request);

        return request.Command switch
        {
            Command.Read when request.Length <= LargestInline => ServeRead(request),
            Command.Write when request.Length <= LargestInline && !request.WantsFlush => ServeWrite(request),
            _ => ServeLater(request),
        };
    }

    private bool ServeRead(in NbdRequest request)
    {
        int header = _encoder.DataHeaderSize;
        Span<byte> reply = _batch.Reserve(header + (int)request.Length);
        try
        {
            if (_immediate is null || !_immediate.TryReadNow((long)request.Offset, reply[header..])) return ServeLater(request);
        }
        catch (DeviceException fault)
        {
            return Fail(request, fault);
        }

        _batch.Add(_encoder.FinishRead(reply, request));
        return true;
    }

    private bool ServeWrite(in NbdRequest request)
    {
        int length = (int)request.Length;
        if (!_input.TryFill(length)) return false;
        try
        {
            // Left in the input, the payload goes with the request.
            if (_immediate is null || !_immediate.TryWriteNow((long)request.Offset, _input.Peek(length))) return ServeLater(request);
        }
        catch (DeviceException fault)
        {
            _input.Skip(length);
            return Fail(request, fault);
        }

        _input.Skip(length);
        return Acknowledge(request);
    }

    private bool ServeLater(in NbdRequest request)
    {
        int bytes = Math.Max((int)request.PayloadLength, _encoder.LongestReply(request, _session.Contexts.Count));
        NbdWork? work = _slots.TryRent(request, bytes);
        if (work is null)
        {
            _batch.Send();
            work = _slots.Rent(request, bytes);
            if (work is null) return _pieces.Execute(request);
        }

        if (!_input.TryTake(work.Payload))
        {
            _slots.Return(work);
            return false;
        }

        _later(work);
        return true;
    }

    private bool Acknowledge(in NbdRequest request)
    {
        _batch.Add(_encoder.WriteDone(ReserveShort(), request));
        return true;
    }

    private bool Fail(in NbdRequest request, DeviceException fault)
    {
        _log.Fault(request, fault);
        _batch.Add(_encoder.WriteError(ReserveShort(), request, NbdErrno.From(fault), ""));
        return true;
    }

    private Span<byte> ReserveShort() => _batch.Reserve(ReplyEncoder.LongestShortReply);
}
