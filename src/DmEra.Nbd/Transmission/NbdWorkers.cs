namespace DmEra.Nbd.Transmission;

/// <summary>
/// The threads, shared by all connections, that execute what would keep a connection's own thread waiting: first writes
/// that wait for a commit, flushes, what is not in the page cache. Started when needed, ended when idle.
/// </summary>
internal sealed class NbdWorkers(int limit)
{
    private const int StackBytes = 512 << 10;
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(30);

    private readonly object _gate = new();  // guards all below; pulsed for each queued request, and by the last exit
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

    /// <summary>Lets the threads finish what is queued and end.</summary>
    /// <returns>false when some did not end in time.</returns>
    public bool Stop(TimeSpan timeout)
    {
        lock (_gate)
        {
            _isStopping = true;
            Monitor.PulseAll(_gate);
            return _threads == 0 || Monitor.Wait(_gate, timeout);
        }
    }

    private bool TryQueue(NbdWork work)
    {
        lock (_gate)
        {
            // Each idle thread takes one request: those queued before are still on their way to a thread.
            bool needsThread = _queued >= _idle;
            if (needsThread && _threads < limit && !TryStart() && _threads == 0) return false;

            if (_last is null) _first = work;
            else _last.Next = work;
            _last = work;
            _queued++;
            if (!needsThread) Monitor.Pulse(_gate);
            return true;
        }
    }

    private bool TryStart()
    {
        Thread thread = new(Work, StackBytes) { IsBackground = true, Name = $"nbd-worker-{_started + 1}" };
        try { thread.Start(); }
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
        lock (_gate)
        {
            while (_first is null)
            {
                _idle++;
                bool pulsed = !_isStopping && Monitor.Wait(_gate, IdleTime);
                _idle--;
                if (pulsed || _first is not null) continue;
                if (--_threads == 0) Monitor.PulseAll(_gate);
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
}
