namespace DmEra.Devices.Threads;

/// <summary>Counts requests on their way, so that one thread can wait until none is left. Counting takes no lock.</summary>
public sealed class InFlight(IThreads threads)
{
    private readonly IMonitor _monitor = threads.CreateMonitor();
    private int _count;
    private bool _isAwaited;

    /// <summary>Counts one in.</summary>
    public void Enter() => Interlocked.Increment(ref _count);

    /// <summary>Counts one out.</summary>
    public void Exit()
    {
        // Partner of WaitUntilNone: with a full fence between the write and the read on both sides, either this
        // thread sees that it is awaited, or the waiting one sees the count at zero.
        if (Interlocked.Decrement(ref _count) == 0 && Volatile.Read(ref _isAwaited)) Wake();
    }

    /// <summary>Waits until nothing is on its way. Nobody may keep entering for good meanwhile; one thread at a
    /// time may wait.</summary>
    public void WaitUntilNone()
    {
        using MonitorHold hold = _monitor.Hold();
        Interlocked.Exchange(ref _isAwaited, true);
        while (Volatile.Read(ref _count) != 0) _monitor.Wait();
        Volatile.Write(ref _isAwaited, false);
    }

    private void Wake()
    {
        using MonitorHold hold = _monitor.Hold();
        _monitor.PulseAll();
    }
}
