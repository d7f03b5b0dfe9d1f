using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Transmission;

/// <summary>
/// A request that is on its way through a worker, with the buffer for its payload or its reply. Belongs to one
/// connection and is used again and again.
/// </summary>
internal sealed class NbdWork(NbdTransmission owner, NbdBuffers buffers) : IReplyRoom
{
    private byte[] _buffer = [];
    private int _replyLength;

    /// <summary>The next one in whatever queue this one is in.</summary>
    public NbdWork? Next { get; set; }

    public NbdRequest Request { get; private set; }

    /// <summary>What the request may hold of memory.</summary>
    public int ReservedBytes { get; set; }

    /// <summary>Whether that comes from what all connections have in common.</summary>
    public bool IsShared { get; set; }

    /// <summary>What followed the request's header.</summary>
    public Span<byte> Payload => _buffer.AsSpan(0, (int)Request.PayloadLength);

    /// <summary>The reply, once there is one.</summary>
    public ReadOnlySpan<byte> Reply => _buffer.AsSpan(0, _replyLength);

    public void Begin(in NbdRequest request)
    {
        Request = request;
        _replyLength = 0;

        // How many extents there are comes out only when they are described.
        _buffer = buffers.Rent(request.Command == Command.BlockStatus ? ReplyEncoder.LongestShortReply : ReservedBytes);
    }

    public Span<byte> Reserve(int size)
    {
        if (_replyLength + size > _buffer.Length) Grow(_replyLength + size);
        return _buffer.AsSpan(_replyLength, size);
    }

    public void Add(int length) => _replyLength += length;

    /// <summary>Drops what there is of a reply, as when it turns out to be an error.</summary>
    public void ClearReply() => _replyLength = 0;

    /// <summary>By the worker: executes the request and sends the reply.</summary>
    public void Run() => owner.Serve(this);

    /// <summary>Instead of the rest of <see cref="Run"/>, when that ended in a way which no reply can tell.</summary>
    public void Abandon(Exception cause) => owner.Abandon(this, cause);

    /// <summary>After the reply was sent.</summary>
    public void End()
    {
        if (_buffer.Length > 0) buffers.Return(_buffer);
        _buffer = [];
    }

    private void Grow(int size)
    {
        byte[] larger = buffers.Rent(size);
        Reply.CopyTo(larger);
        buffers.Return(_buffer);
        _buffer = larger;
    }
}
