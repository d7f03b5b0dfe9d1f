namespace DmEra.Devices.Threads;

/// <summary>Threads whose end is waited for together. One thread at a time may wait.</summary>
public sealed class ThreadGroup(IThreads threads)
{
    private readonly InFlight _running = new(threads);

    /// <summary>Starts one more.</summary>
    /// <exception cref="OutOfMemoryException">No thread is to be had.</exception>
    public void Start(string name, Action body)
    {
        _running.Enter();
        try
        {
            threads.Start(name, () =>
            {
                try { body(); }
                finally { _running.Exit(); }
            });
        }
        catch
        {
            _running.Exit();
            throw;
        }
    }

    /// <summary>Waits until all have ended.</summary>
    public void Join() => _running.WaitUntilNone();
}
