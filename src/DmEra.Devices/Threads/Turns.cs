namespace DmEra.Devices.Threads;

/// <summary>Lets one thread at a time do something that takes long and waits for other threads, so that no lock is
/// held meanwhile.</summary>
public sealed class Turns(IThreads threads)
{
    private readonly IMonitor _monitor = threads.CreateMonitor();     // guards _taken
    private bool _taken;

    /// <summary>Waits for the turn, which ends when the result is disposed of.</summary>
    public Turn Take()
    {
        using MonitorHold hold = _monitor.Hold();
        while (_taken) _monitor.Wait();
        _taken = true;
        return new Turn(this);
    }

    private void End()
    {
        using MonitorHold hold = _monitor.Hold();
        _taken = false;
        _monitor.PulseAll();
    }

    /// <summary>The right to go on, until disposed of.</summary>
    public readonly ref struct Turn(Turns turns)
    {
        /// <summary>Ends the turn.</summary>
        public void Dispose() => turns.End();
    }
}
