using System.Diagnostics;

namespace DmEra.Devices.Threads;

/// <summary>The threads of the operating system.</summary>
public sealed class SystemThreads : IThreads
{
    /// <summary>The only one there is.</summary>
    public static readonly SystemThreads Instance = new();

    // A server has hundreds of threads when it has many clients.
    private const int StackBytes = 512 << 10;

    private SystemThreads()
    {
    }

    /// <inheritdoc/>
    public TimeSpan Now => Stopwatch.GetElapsedTime(0);

    /// <inheritdoc/>
    public TimeProvider Time => TimeProvider.System;

    /// <inheritdoc/>
    public Guid NewId() => Guid.NewGuid();

    /// <inheritdoc/>
    public int Processors => Environment.ProcessorCount;

    /// <inheritdoc/>
    public void Start(string name, Action body) => new Thread(body.Invoke, StackBytes) { Name = name, IsBackground = true }.Start();

    /// <inheritdoc/>
    public IMonitor CreateMonitor() => new SystemMonitor();

    private sealed class SystemMonitor : IMonitor
    {
        private readonly object _lock = new();      // a System.Threading.Lock has no condition variable

        public void Enter() => Monitor.Enter(_lock);

        public void Leave() => Monitor.Exit(_lock);

        public void Wait() => Monitor.Wait(_lock);

        // Monitors count in milliseconds; nought would not wait at all, and -1 for ever.
        public bool Wait(TimeSpan limit) => Monitor.Wait(_lock, (int)Math.Clamp(Math.Ceiling(limit.TotalMilliseconds), 0, int.MaxValue));

        public void Pulse() => Monitor.Pulse(_lock);

        public void PulseAll() => Monitor.PulseAll(_lock);
    }
}
