using DmEra.Devices;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;

namespace DmEra.Nbd.Client;

/// <summary>
/// A request under way, and what has come of its reply. Filled by the receiving thread; the thread that asked looks at
/// it when it is complete, and not before. Used again and again.
/// </summary>
internal sealed class ClientCall(NbdBuffers buffers)
{
    private readonly object _gate = new();  // guards the one below; pulsed when it is set
    private bool _isComplete;
    private byte[] _data = [];
    private int _received;

    public ClientRequest Request { get; private set; }

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

    public void Begin(in ClientRequest request)
    {
        Request = request;
        Error = NbdError.None;
        ErrorText = "";
        LostBecause = null;
        Extents.Clear();
        _isComplete = false;
        _received = 0;
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
        lock (_gate)
        {
            while (!_isComplete) Monitor.Wait(_gate);
        }
    }

    /// <summary>By the receiver: where data from an offset of the export on belongs.</summary>
    /// <exception cref="NbdProtocolException">Nobody asked for it.</exception>
    public Span<byte> Place(ulong offset, long length)
    {
        ulong start = offset - (ulong)Request.Offset;
        if (Request.Command != Command.Read || start > (ulong)ReadLength || length > ReadLength - (long)start)
            throw new NbdProtocolException($"data at {offset} that nobody asked for");
        _received += (int)length;
        return _data.AsSpan((int)start, (int)length);
    }

    /// <summary>By the receiver: the request failed.</summary>
    public void Fail(NbdError error, string text)
    {
        if (Error != NbdError.None) return;
        Error = error == NbdError.None ? NbdError.Io : error;
        ErrorText = text;
    }

    /// <summary>By the receiver: that was all, as the server says.</summary>
    /// <exception cref="NbdProtocolException">It was not.</exception>
    public void RequireWhole()
    {
        if (Error == NbdError.None && _received != ReadLength)
            throw new NbdProtocolException($"{_received} bytes of {ReadLength}");
    }

    /// <summary>By the receiver: the answer is there.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _isComplete = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>By the receiver: nothing more will come.</summary>
    public void Lose(string why)
    {
        LostBecause = why;
        Complete();
    }
}
