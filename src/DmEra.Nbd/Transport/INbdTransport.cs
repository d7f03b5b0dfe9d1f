namespace DmEra.Nbd.Transport;

/// <summary>
/// The two directions of one connection: a socket, TLS on top of one, or a simulation. One thread receives; sending is
/// done by one thread at a time. A connection that is lost looks like one that was closed.
/// </summary>
internal interface INbdTransport : IDisposable
{
    /// <summary>Waits for bytes; 0 when there will be no more.</summary>
    int Receive(Span<byte> buffer);

    /// <summary>Sends all of it, waiting for the client to take it; false when the client is gone.</summary>
    bool TrySend(ReadOnlySpan<byte> data);

    /// <summary>By any thread: lets <see cref="Receive"/> end with what has arrived by now.</summary>
    void StopReceiving();

    /// <summary>By any thread: ends both directions at once, a waiting <see cref="TrySend"/> too.</summary>
    void Abort();
}
