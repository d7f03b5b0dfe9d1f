namespace DmEra.Nbd.Transmission;

/// <summary>
/// Bounds how many requests of one connection are with the workers, and how much memory they hold. When there is no
/// room the connection stops reading requests: the client waits, nobody else does.
/// </summary>
internal sealed class WorkSlots(NbdTransmission owner, NbdBuffers buffers)
{
    private readonly object _gate = new();  // guards all below; pulsed by every return
    private NbdWork? _free;
    private int _inUse;
    private long _bytesInUse;

    /// <summary>Takes a slot for a request that needs that many bytes; null when there is none just now.</summary>
    public NbdWork? TryRent(in NbdRequest request, int bytes)
    {
        NbdWork work;
        lock (_gate)
        {
            if (!HasRoom(bytes)) return null;
            work = Take(bytes);
        }

        work.Begin(request, bytes);
        return work;
    }

    /// <summary>Takes a slot, waiting for it.</summary>
    public NbdWork Rent(in NbdRequest request, int bytes)
    {
        NbdWork work;
        lock (_gate)
        {
            while (!HasRoom(bytes)) Monitor.Wait(_gate);
            work = Take(bytes);
        }

        work.Begin(request, bytes);
        return work;
    }

    public void Return(NbdWork work)
    {
        work.End();
        lock (_gate)
        {
            _inUse--;
            _bytesInUse -= work.ReservedBytes;
            work.Next = _free;
            _free = work;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits until every request has been replied to.</summary>
    public void AwaitAll()
    {
        lock (_gate)
        {
            while (_inUse > 0) Monitor.Wait(_gate);
        }
    }

    private bool HasRoom(int bytes) =>
        _inUse == 0 || (_inUse < NbdLimits.RequestsUnderWay && _bytesInUse + bytes <= NbdLimits.BytesUnderWay);

    private NbdWork Take(int bytes)
    {
        _inUse++;
        _bytesInUse += bytes;
        if (_free is not { } work) return new NbdWork(owner, buffers);
        _free = work.Next;
        work.Next = null;
        return work;
    }
}
