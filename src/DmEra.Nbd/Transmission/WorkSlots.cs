using DmEra.Devices.Threads;

namespace DmEra.Nbd.Transmission;

/// <summary>
/// Bounds how many requests of one connection are with the workers, and how much memory they hold: a share of its own,
/// which nobody can take away, and beyond that what is left of the one that all connections have in common. When there
/// is no room the connection stops reading requests until one of its own is over: it never waits for another client.
/// </summary>
internal sealed class WorkSlots(NbdTransmission owner, NbdBuffers buffers, IThreads threads)
{
    private readonly IMonitor _gate = threads.CreateMonitor();  // guards all below; pulsed by every return
    private NbdWork? _free;
    private int _inUse;
    private long _bytesInUse;
    private long _ownBytesInUse;

    /// <summary>Takes a slot for a request that needs that many bytes; null when there is none just now.</summary>
    public NbdWork? TryRent(in NbdRequest request, int bytes)
    {
        NbdWork? work;
        using (_gate.Hold()) work = TryTake(NbdBuffers.LengthFor(bytes));
        return Begin(work, request);
    }

    /// <summary>Takes a slot, waiting for other requests of this connection to end.</summary>
    /// <returns>null when there are none, and others hold the memory that this one needs.</returns>
    public NbdWork? Rent(in NbdRequest request, int bytes)
    {
        NbdWork? work;
        using (_gate.Hold())
        {
            while ((work = TryTake(NbdBuffers.LengthFor(bytes))) is null && _inUse > 0) _gate.Wait();
        }

        return Begin(work, request);
    }

    public void Return(NbdWork work)
    {
        work.End();
        if (work.IsShared) buffers.Release(work.ReservedBytes);
        using MonitorHold hold = _gate.Hold();
        _inUse--;
        _bytesInUse -= work.ReservedBytes;
        if (!work.IsShared) _ownBytesInUse -= work.ReservedBytes;
        work.Next = _free;
        _free = work;
        _gate.PulseAll();
    }

    /// <summary>Waits until every request has been replied to.</summary>
    public void AwaitAll()
    {
        using MonitorHold hold = _gate.Hold();
        while (_inUse > 0) _gate.Wait();
    }

    // Without memory for it there is no request to wait for.
    private NbdWork? Begin(NbdWork? work, in NbdRequest request)
    {
        if (work is null) return null;
        try
        {
            work.Begin(request);
            return work;
        }
        catch
        {
            Return(work);
            throw;
        }
    }

    private NbdWork? TryTake(int bytes)
    {
        bool hasRoom = _inUse == 0
            || (_inUse < NbdLimits.RequestsUnderWay && _bytesInUse + bytes <= NbdLimits.BytesUnderWay);
        bool isShared = _ownBytesInUse + bytes > NbdLimits.OwnBytes;
        if (!hasRoom || (isShared && !buffers.TryReserve(bytes))) return null;

        NbdWork work = _free ?? new NbdWork(owner, buffers);
        _inUse++;
        _bytesInUse += bytes;
        if (!isShared) _ownBytesInUse += bytes;
        _free = work.Next;
        work.Next = null;
        work.ReservedBytes = bytes;
        work.IsShared = isShared;
        return work;
    }
}
