using DmEra.Devices;

namespace DmEra.Nbd.Transmission;

/// <summary>
/// A request that is on its way through a worker, with the buffer for its payload or its reply. Belongs to one
/// connection and is used again and again.
/// </summary>
internal sealed class NbdWork(NbdTransmission owner, NbdBuffers buffers)
{
    // A larger buffer goes back to those shared by all connections when the request is done.
    private const int LargestKept = (64 << 10) + NbdBuffers.HeaderRoom;

    private const int LargestKeptExtents = 4096;

    private byte[] _buffer = [];
    private int _replyLength;

    /// <summary>The next one in whatever queue this one is in.</summary>
    public NbdWork? Next { get; set; }

    public NbdRequest Request { get; private set; }

    /// <summary>What the request holds of the connection's share of memory.</summary>
    public int ReservedBytes { get; private set; }

    /// <summary>What followed the request's header.</summary>
    public Span<byte> Payload => _buffer.AsSpan(0, (int)Request.PayloadLength);

    /// <summary>The reply, once there is one.</summary>
    public ReadOnlySpan<byte> Reply => _buffer.AsSpan(0, _replyLength);

    /// <summary>The extents of one context; empty at first.</summary>
    public List<Extent> Extents { get; } = [];

    public void Begin(in NbdRequest request, int bytes)
    {
        Request = request;
        ReservedBytes = bytes;
        _replyLength = 0;
        Reserve(Math.Max(bytes, ReplyEncoder.LongestShortReply), keep: 0);
    }

    /// <summary>Room for a reply of that size, behind the part of the reply that is there.</summary>
    public Span<byte> ReserveReply(int size)
    {
        Reserve(_replyLength + size, _replyLength);
        return _buffer.AsSpan(_replyLength, size);
    }

    /// <summary>Adds what was written to the reserved room.</summary>
    public void AddReply(int length) => _replyLength += length;

    /// <summary>Drops what there is of a reply, as when it turns out to be an error.</summary>
    public void ClearReply() => _replyLength = 0;

    /// <summary>By the worker: executes the request and sends the reply.</summary>
    public void Run() => owner.Serve(this);

    /// <summary>Instead of the rest of <see cref="Run"/>, when that ended in a way which no reply can tell.</summary>
    public void Abandon(Exception cause) => owner.Abandon(this, cause);

    /// <summary>After the reply was sent.</summary>
    public void End()
    {
        Extents.Clear();
        if (Extents.Capacity > LargestKeptExtents) Extents.Capacity = LargestKeptExtents;
        if (_buffer.Length <= LargestKept) return;
        buffers.Return(_buffer);
        _buffer = [];
    }

    private void Reserve(int size, int keep)
    {
        if (_buffer.Length >= size) return;
        byte[] larger = buffers.Rent(size);
        _buffer.AsSpan(0, keep).CopyTo(larger);
        if (_buffer.Length > 0) buffers.Return(_buffer);
        _buffer = larger;
    }
}
