namespace DmEra.Devices.Threads;

/// <summary>
/// Every way in which devices, targets, clients, servers and backups start a thread, wait, or ask for the time. Nothing else in them blocks
/// but I/O: so a scheduler that implements this decides the order of everything.
/// </summary>
public interface IThreads
{
    /// <summary>Time since some fixed moment.</summary>
    TimeSpan Now { get; }

    /// <summary>The clock on the wall, and timers.</summary>
    TimeProvider Time { get; }

    /// <summary>An id that nothing else has.</summary>
    Guid NewId();

    /// <summary>How many threads run at the same time.</summary>
    int Processors { get; }

    /// <summary>Starts a thread that ends with <paramref name="body"/>.</summary>
    /// <exception cref="OutOfMemoryException">No thread is to be had.</exception>
    void Start(string name, Action body);

    /// <summary>A new lock with its condition variable.</summary>
    IMonitor CreateMonitor();
}

/// <summary>A lock that a thread may wait in for others to change what it guards.</summary>
public interface IMonitor
{
    /// <summary>Takes the lock, once it is free.</summary>
    void Enter();

    /// <summary>Lets go of the lock.</summary>
    void Leave();

    /// <summary>Lets go of the lock until <see cref="PulseAll"/>; the caller tests its condition again.</summary>
    void Wait();

    /// <summary>As <see cref="Wait()"/>, but no longer than about <paramref name="limit"/>.</summary>
    /// <returns>false when the time was over.</returns>
    bool Wait(TimeSpan limit);

    /// <summary>Wakes one that waits, if any does; the caller holds the lock.</summary>
    void Pulse();

    /// <summary>Wakes all that wait; the caller holds the lock.</summary>
    void PulseAll();
}

/// <summary>A held <see cref="IMonitor"/>, let go of by <c>using</c>.</summary>
public readonly ref struct MonitorHold(IMonitor monitor)
{
    /// <summary>Lets go.</summary>
    public void Dispose() => monitor.Leave();
}

/// <summary>Holds monitors in <c>using</c> statements.</summary>
public static class MonitorExtensions
{
    /// <summary>Takes the lock, until the result is disposed of.</summary>
    public static MonitorHold Hold(this IMonitor monitor)
    {
        monitor.Enter();
        return new MonitorHold(monitor);
    }
}
