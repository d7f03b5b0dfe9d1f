using DmEra.Devices.Threads;

namespace DmEra.Tests.Target;

/// <summary>
/// The system's threads, with a count of those that wait for another one to do something. When it is as high as
/// expected and stays so, nothing will happen by itself any more: so a test knows that a thread waits, instead of hoping
/// that it has waited long enough.
/// </summary>
internal sealed class WatchedThreads : IThreads
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly object _lock = new();  // guards the fields below
    private int _waiting;
    private int _timedWaits;

    /// <summary>Waits with a time limit so far.</summary>
    public int TimedWaits
    {
        get
        {
            lock (_lock) return _timedWaits;
        }
    }

    public TimeSpan Now => SystemThreads.Instance.Now;

    public TimeProvider Time => SystemThreads.Instance.Time;

    public int Processors => SystemThreads.Instance.Processors;

    public Guid NewId() => Guid.NewGuid();

    public void Start(string name, Action body) => SystemThreads.Instance.Start(name, body);

    public IMonitor CreateMonitor() => new WatchedMonitor(this);

    /// <summary>Returns when exactly this many threads wait.</summary>
    public void UntilWaiting(int threads)
    {
        lock (_lock)
        {
            while (_waiting != threads)
                Assert.True(Monitor.Wait(_lock, Limit), $"{_waiting} threads wait, not {threads}");
        }
    }

    private void Change(int waiting, int timedWaits = 0)
    {
        lock (_lock)
        {
            _waiting += waiting;
            _timedWaits += timedWaits;
            Monitor.PulseAll(_lock);
        }
    }

    private sealed class WatchedMonitor(WatchedThreads threads) : IMonitor
    {
        private readonly object _lock = new();
        private int _waiting;       // threads that wait here and were not woken yet

        public void Enter() => Monitor.Enter(_lock);

        public void Leave() => Monitor.Exit(_lock);

        public void Wait()
        {
            _waiting++;
            threads.Change(waiting: 1);
            Monitor.Wait(_lock);
        }

        public bool Wait(TimeSpan limit)
        {
            threads.Change(waiting: 0, timedWaits: 1);
            return Monitor.Wait(_lock, limit);
        }

        // Which one it is cannot be told; nothing that is watched wakes one alone.
        public void Pulse() => throw new NotSupportedException();

        public void PulseAll()
        {
            threads.Change(-_waiting);
            _waiting = 0;
            Monitor.PulseAll(_lock);
        }
    }
}
