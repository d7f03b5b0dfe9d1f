using DmEra.Devices.Threads;

namespace DmEra.Nbd.Transmission;

/// <summary>
/// The threads, shared by all connections, that execute what would keep a connection's own thread waiting: first writes
/// that wait for a commit, flushes, what is not in the page cache. Started when needed, ended when idle.
/// </summary>
internal sealed class NbdWorkers(int limit, IThreads threads)
{
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(30);

    private readonly IMonitor _gate = threads.CreateMonitor();  // guards all below; pulsed for each queued request, and by the last exit
    private int _limit = limit;
    private NbdWork? _first;
    private NbdWork? _last;
    private int _queued;
    private int _idle;
    private int _threads;
    private int _started;
    private bool _isStopping;

    /// <summary>Has a request executed by the next thread that is free.</summary>
    public void Queue(NbdWork work)
    {
        // Where no thread at all can be had, slowly is better than not.
        if (!TryQueue(work)) Execute(work);
    }

    /// <summary>Has as many threads as this from now on, when they are needed. Never fewer than before: those that may need them
    /// stay.</summary>
    public void AllowAtLeast(int most)
    {
        using MonitorHold hold = _gate.Hold();
        _limit = Math.Max(_limit, most);
    }

    /// <summary>Lets the threads finish what is queued and end.</summary>
    /// <returns>false when some did not end in time.</returns>
    public bool Stop(TimeSpan timeout)
    {
        TimeSpan end = threads.Now + timeout;
        using MonitorHold hold = _gate.Hold();
        _isStopping = true;
        _gate.PulseAll();
        while (_threads > 0)
        {
            TimeSpan left = end - threads.Now;
            if (left <= TimeSpan.Zero) return false;
            _gate.Wait(left);
        }

        return true;
    }

    private bool TryQueue(NbdWork work)
    {
        using MonitorHold hold = _gate.Hold();

        // Each idle thread takes one request: those queued before are still on their way to a thread.
        bool needsThread = _queued >= _idle;
        if (needsThread && _threads < _limit && !TryStart() && _threads == 0) return false;

        if (_last is null) _first = work;
        else _last.Next = work;
        _last = work;
        _queued++;
        if (!needsThread) _gate.Pulse();
        return true;
    }

    private bool TryStart()
    {
        try { threads.Start($"nbd-worker-{_started + 1}", Work); }
        catch (OutOfMemoryException) { return false; }

        _started++;
        _threads++;
        return true;
    }

    private void Work()
    {
        while (Take() is { } work) Execute(work);
    }

    private static void Execute(NbdWork work)
    {
        try { work.Run(); }
        catch (Exception cause) { work.Abandon(cause); }
    }

    private NbdWork? Take()
    {
        using MonitorHold hold = _gate.Hold();
        while (_first is null)
        {
            _idle++;
            bool pulsed = !_isStopping && _gate.Wait(IdleTime);
            _idle--;
            if (pulsed || _first is not null) continue;
            if (--_threads == 0) _gate.PulseAll();
            return null;
        }

        NbdWork work = _first;
        _first = work.Next;
        if (_first is null) _last = null;
        work.Next = null;
        _queued--;
        return work;
    }
}
