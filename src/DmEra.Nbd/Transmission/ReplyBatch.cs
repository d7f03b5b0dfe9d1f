namespace DmEra.Nbd.Transmission;

/// <summary>The replies that a connection's own thread makes: gathered, and sent before anything that waits for the
/// client, or when there is no more room.</summary>
internal sealed class ReplyBatch(ReplyQueue replies, byte[] buffer) : IReplyRoom
{
    private int _length;

    public Span<byte> Reserve(int size)
    {
        if (_length + size > buffer.Length) Send();
        return buffer.AsSpan(_length, size);
    }

    public void Add(int length) => _length += length;

    public void Send()
    {
        if (_length == 0) return;
        replies.Send(buffer.AsSpan(0, _length));
        _length = 0;
    }
}
