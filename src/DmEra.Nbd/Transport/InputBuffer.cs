namespace DmEra.Nbd.Transport;

/// <summary>
/// What has been received and not yet been used. One receive may bring many messages; they are taken from here
/// without copying. Used by the receiving thread only.
/// </summary>
/// <param name="transport">Where more comes from.</param>
/// <param name="buffer">Holds it.</param>
/// <param name="beforeWaiting">Called before anything that waits for the peer.</param>
internal sealed class InputBuffer(INbdTransport transport, byte[] buffer, Action? beforeWaiting = null)
{
    private int _start;
    private int _end;

    public int Available => _end - _start;

    /// <summary>The first bytes that are there; valid until the next <see cref="TryFill"/>.</summary>
    public ReadOnlySpan<byte> Peek(int count) => buffer.AsSpan(_start, count);

    public void Skip(int count) => _start += count;

    /// <summary>Waits until <paramref name="count"/> bytes are there; false when the peer sends no more.</summary>
    public bool TryFill(int count)
    {
        while (Available < count)
        {
            MakeRoom(count);
            int received = Receive(buffer.AsSpan(_end));
            if (received == 0) return false;
            _end += received;
        }

        return true;
    }

    /// <summary>Moves bytes to a place of their own, first those that are there, then from the transport.</summary>
    public bool TryTake(Span<byte> to)
    {
        int buffered = Math.Min(Available, to.Length);
        Peek(buffered).CopyTo(to);
        Skip(buffered);
        for (to = to[buffered..]; !to.IsEmpty;)
        {
            int received = Receive(to);
            if (received == 0) return false;
            to = to[received..];
        }

        return true;
    }

    /// <summary>Drops bytes that nobody wants.</summary>
    public bool TryDiscard(long count)
    {
        while (count > 0)
        {
            if (Available == 0 && !TryFill(1)) return false;
            int dropped = (int)Math.Min(Available, count);
            Skip(dropped);
            count -= dropped;
        }

        return true;
    }

    private int Receive(Span<byte> to)
    {
        beforeWaiting?.Invoke();
        return transport.Receive(to);
    }

    private void MakeRoom(int count)
    {
        if (_start == _end) _start = _end = 0;
        if (_start + count <= buffer.Length) return;
        Peek(Available).CopyTo(buffer);
        _end -= _start;
        _start = 0;
    }
}
