using DmEra.Nbd.Transport;

namespace DmEra.Tests.Nbd;

/// <summary>A connection whose client has sent everything beforehand, some times over, in pieces of a given size.
/// </summary>
internal sealed class ScriptedTransport(byte[] script, int pieceBytes = int.MaxValue, int repeats = 1) : INbdTransport
{
    private readonly long _end = (long)script.Length * repeats;
    private long _position;

    /// <summary>How many bytes were sent to the client.</summary>
    public long SentBytes { get; private set; }

    /// <summary>How many calls that took.</summary>
    public int Sends { get; private set; }

    /// <summary>Called before each receive, with the number of bytes received so far.</summary>
    public Action<long> BeforeReceive { get; set; } = _ => { };

    /// <summary>Called before each send.</summary>
    public Action BeforeSend { get; set; } = () => { };

    /// <summary>Called when the connection is given up.</summary>
    public Action BeforeAbort { get; set; } = () => { };

    public int Receive(Span<byte> buffer)
    {
        BeforeReceive(_position);
        int start = (int)(_position % script.Length);
        int left = _position == _end ? 0 : script.Length - start;
        int count = Math.Min(Math.Min(buffer.Length, pieceBytes), left);
        script.AsSpan(start, count).CopyTo(buffer);
        _position += count;
        return count;
    }

    public bool TrySend(ReadOnlySpan<byte> data)
    {
        BeforeSend();
        SentBytes += data.Length;
        Sends++;
        return true;
    }

    public void StopReceiving() => _position = _end;

    public void Abort()
    {
        BeforeAbort();
        StopReceiving();
    }

    public void Dispose()
    {
    }
}
