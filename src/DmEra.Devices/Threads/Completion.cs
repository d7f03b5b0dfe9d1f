namespace DmEra.Devices.Threads;

/// <summary>Something that will be over once; any number of threads may wait for it.</summary>
public sealed class Completion(IThreads threads)
{
    private readonly IMonitor _monitor = threads.CreateMonitor();     // guards _isOver
    private bool _isOver;

    /// <summary>Wakes all that wait. What was written before is visible to them.</summary>
    public void Complete()
    {
        using MonitorHold hold = _monitor.Hold();
        _isOver = true;
        _monitor.PulseAll();
    }

    /// <summary>Waits until it is over.</summary>
    public void Wait()
    {
        using MonitorHold hold = _monitor.Hold();
        while (!_isOver) _monitor.Wait();
    }
}
