namespace DmEra.Target.Threads;

/// <summary>
/// Every way in which the target starts a thread, waits, or asks for the time. Nothing else in it blocks but I/O: so
/// a scheduler that implements this decides the order of everything.
/// </summary>
internal interface IThreads
{
    /// <summary>Time since some fixed moment.</summary>
    TimeSpan Now { get; }

    /// <summary>Starts a thread that ends with <paramref name="body"/>.</summary>
    void Start(string name, Action body);

    /// <summary>A new lock with its condition variable.</summary>
    IMonitor CreateMonitor();
}

/// <summary>A lock that a thread may wait in for others to change what it guards.</summary>
internal interface IMonitor
{
    void Enter();

    void Exit();

    /// <summary>Lets go of the lock until <see cref="PulseAll"/>; the caller tests its condition again.</summary>
    void Wait();

    /// <summary>As <see cref="Wait()"/>, but no longer than about <paramref name="limit"/>.</summary>
    void Wait(TimeSpan limit);

    /// <summary>Wakes all that wait; the caller holds the lock.</summary>
    void PulseAll();
}

/// <summary>A held <see cref="IMonitor"/>, let go of by <c>using</c>.</summary>
internal readonly ref struct MonitorHold(IMonitor monitor)
{
    public void Dispose() => monitor.Exit();
}

/// <summary>Holds monitors in <c>using</c> statements.</summary>
internal static class MonitorExtensions
{
    public static MonitorHold Hold(this IMonitor monitor)
    {
        monitor.Enter();
        return new MonitorHold(monitor);
    }
}
