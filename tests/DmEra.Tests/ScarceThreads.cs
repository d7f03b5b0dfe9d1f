using DmEra.Devices.Threads;

namespace DmEra.Tests;

/// <summary>The system's threads, of which only so many are to be had.</summary>
/// <param name="available">How many.</param>
internal sealed class ScarceThreads(int available) : IThreads
{
    private int _left = available;
    private int _running;

    /// <summary>Called before one is refused.</summary>
    public Action? Refusing { get; set; }

    /// <summary>How many have not ended.</summary>
    public int Running => Volatile.Read(ref _running);

    public TimeSpan Now => SystemThreads.Instance.Now;

    public TimeProvider Time => SystemThreads.Instance.Time;

    public int Processors => 2;

    public Guid NewId() => Guid.NewGuid();

    public IMonitor CreateMonitor() => SystemThreads.Instance.CreateMonitor();

    public void Start(string name, Action body)
    {
        if (_left == 0)
        {
            Refusing?.Invoke();
#pragma warning disable CA2201, MA0012 // it is the runtime's, as IThreads says
            throw new OutOfMemoryException("no thread is to be had");
#pragma warning restore CA2201, MA0012
        }

        _left--;
        Interlocked.Increment(ref _running);
        SystemThreads.Instance.Start(name, () =>
        {
            try { body(); }
            finally { Interlocked.Decrement(ref _running); }
        });
    }
}
