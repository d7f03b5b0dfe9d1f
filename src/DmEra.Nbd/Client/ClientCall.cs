using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;

namespace DmEra.Nbd.Client;

/// <summary>
/// A request under way, and what has come of its reply. Filled by the receiving thread; the thread that asked looks at
/// it when it is complete, and not before. Used again and again.
/// </summary>
internal sealed class ClientCall(NbdBuffers buffers, IThreads threads)
{
    private const int MostErrors = 64;      // a structured reply may have several; the first one counts

    private readonly IMonitor _monitor = threads.CreateMonitor();       // guards the one below
    private readonly ReceivedPieces _received = new();
    private bool _isComplete;
    private byte[] _data = [];
    private int _errors;

    public ClientRequest Request { get; private set; }

    /// <summary>Whether nobody waits for the answer.</summary>
    public bool IsHint { get; private set; }

    /// <summary>What the server answered.</summary>
    public NbdError Error { get; private set; }

    /// <summary>The text of the error.</summary>
    public string ErrorText { get; private set; } = "";

    /// <summary>Why there will be no answer; null when there is one.</summary>
    public string? LostBecause { get; private set; }

    /// <summary>The data of a read.</summary>
    public ReadOnlySpan<byte> Data => _data.AsSpan(0, ReadLength);

    /// <summary>The extents of a block status.</summary>
    public List<Extent> Extents { get; } = [];

    private int ReadLength => Request.Command == Command.Read ? (int)Request.Length : 0;

    public void Begin(in ClientRequest request, bool isHint)
    {
        Request = request;
        IsHint = isHint;
        Error = NbdError.None;
        ErrorText = "";
        LostBecause = null;
        Extents.Clear();
        _isComplete = false;
        _received.Clear();
        _errors = 0;
        if (ReadLength > 0) _data = buffers.Rent(ReadLength);
    }

    /// <summary>When the answer has been looked at.</summary>
    public void End()
    {
        if (_data.Length > 0) buffers.Return(_data);
        _data = [];
    }

    /// <summary>Waits for the answer.</summary>
    public void Wait()
    {
        using MonitorHold hold = _monitor.Hold();
        while (!_isComplete) _monitor.Wait();
    }

    /// <summary>By the receiver: where data from an offset of the export on belongs.</summary>
    /// <exception cref="NbdProtocolException">Nobody asked for it, or it has come already.</exception>
    public Span<byte> Place(ulong offset, long length)
    {
        ulong start = offset - (ulong)Request.Offset;
        if (Request.Command != Command.Read || length <= 0 || start > (ulong)ReadLength || length > ReadLength - (long)start)
            throw new NbdProtocolException($"data at {offset} that nobody asked for");
        if (!_received.TryAdd((int)start, (int)start + (int)length))
            throw new NbdProtocolException($"data at {offset} twice, or in too many pieces");
        return _data.AsSpan((int)start, (int)length);
    }

    /// <summary>By the receiver: the request failed.</summary>
    /// <exception cref="NbdProtocolException">The server has said so too often.</exception>
    public void Fail(NbdError error, string text)
    {
        if (++_errors > MostErrors) throw new NbdProtocolException($"more than {MostErrors} errors of one request");
        if (Error != NbdError.None) return;
        Error = error == NbdError.None ? NbdError.Io : error;
        ErrorText = text;
    }

    /// <summary>By the receiver: that was all, as the server says.</summary>
    /// <exception cref="NbdProtocolException">It was not.</exception>
    public void RequireWhole()
    {
        if (Error != NbdError.None) return;
        if (!_received.IsWhole(ReadLength)) throw new NbdProtocolException($"not all of {ReadLength} bytes");
        if (Request.Command == Command.BlockStatus && Extents.Count == 0) throw new NbdProtocolException("an empty block status");
    }

    /// <summary>By the receiver: the answer is there.</summary>
    public void Complete()
    {
        using MonitorHold hold = _monitor.Hold();
        _isComplete = true;
        _monitor.PulseAll();
    }

    /// <summary>By the receiver: nothing more will come.</summary>
    public void Lose(string why)
    {
        LostBecause = why;
        Complete();
    }
}
