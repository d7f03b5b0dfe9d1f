namespace DmEra.Simulation.Scheduling;

/// <summary>A thread of the simulated world: a real one that runs only while it holds the baton.</summary>
public sealed class SimulatedThread
{
    private const int StackBytes = 256 * 1024;

    [ThreadStatic]
    private static SimulatedThread? _current;

    private readonly Scheduler _scheduler;
    private readonly Action _body;
    private readonly SemaphoreSlim _baton = new(0);
    private bool _started;

    internal SimulatedThread(Scheduler scheduler, string name, Action body)
    {
        _scheduler = scheduler;
        _body = body;
        Name = name;
    }

    /// <summary>The thread that runs.</summary>
    /// <exception cref="InvalidOperationException">The caller is no thread of a simulated world.</exception>
    public static SimulatedThread Current =>
        _current ?? throw new InvalidOperationException("a switch point outside of the simulated world");

    /// <summary>True when the caller is a thread of a simulated world.</summary>
    public static bool IsRunning => _current is not null;

    /// <summary>The name, for messages.</summary>
    public string Name { get; }

    /// <summary>True when the thread has run to its end, or was ended.</summary>
    public bool HasEnded { get; private set; }

    internal object? WaitsFor { get; set; }

    internal TimeSpan WakesAt { get; set; }

    /// <summary>Waits, at switch points, until the thread has ended.</summary>
    public void Join()
    {
        while (!HasEnded) _scheduler.Wait(this, Timeout.InfiniteTimeSpan);
    }

    internal void TakeBaton()
    {
        if (_started)
        {
            _baton.Release();
            return;
        }

        _started = true;
        new Thread(Live, StackBytes) { Name = Name, IsBackground = true }.Start();
    }

    internal void AwaitBaton()
    {
        _baton.Wait();
        _scheduler.ThrowIfPowerCut();
    }

    private void Live()
    {
        _current = this;
        Exception? failure = null;
        try
        {
            _scheduler.ThrowIfPowerCut();
            _body();
        }
#pragma warning disable CA1031 // The top of a thread: whatever ends it is the result of the run.
        catch (Exception exception)
        {
            failure = exception;
        }
#pragma warning restore CA1031

        HasEnded = true;
        _scheduler.WakeAll(this);
        _scheduler.End(this, failure);
    }
}

/// <summary>Ends a thread of the simulated world, and is nobody's fault.</summary>
public abstract class ThreadEndException(string message) : Exception(message);

/// <summary>Ends a thread of the simulated world at the moment the power goes.</summary>
public sealed class PowerCutException() : ThreadEndException("the power was cut");

/// <summary>The simulated world found a fault.</summary>
public sealed class SimulationException(string message, Exception? inner = null) : Exception(message, inner);
