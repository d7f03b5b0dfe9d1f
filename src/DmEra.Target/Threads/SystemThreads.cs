using System.Diagnostics;

namespace DmEra.Target.Threads;

/// <summary>The threads of the operating system.</summary>
internal sealed class SystemThreads : IThreads
{
    public static readonly SystemThreads Instance = new();

    private SystemThreads()
    {
    }

    public TimeSpan Now => Stopwatch.GetElapsedTime(0);

    public void Start(string name, Action body) => new Thread(body.Invoke) { Name = name, IsBackground = true }.Start();

    public IMonitor CreateMonitor() => new SystemMonitor();

    private sealed class SystemMonitor : IMonitor
    {
        private readonly object _lock = new();      // a System.Threading.Lock has no condition variable

        public void Enter() => Monitor.Enter(_lock);

        public void Exit() => Monitor.Exit(_lock);

        public void Wait() => Monitor.Wait(_lock);

        // Monitors count in milliseconds, and nought would not wait at all.
        public void Wait(TimeSpan limit) => Monitor.Wait(_lock, (int)Math.Ceiling(limit.TotalMilliseconds));

        public void PulseAll() => Monitor.PulseAll(_lock);
    }
}
