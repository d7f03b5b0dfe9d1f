using DmEra.Devices.Threads;

namespace DmEra.Tests.Nbd;

/// <summary>The system's threads, with a clock that a test sets; timers fire in <see cref="Advance"/>.</summary>
internal sealed class ManualTime : TimeProvider, IThreads
{
    private readonly Lock _lock = new();    // guards both
    private readonly List<ManualTimer> _timers = [];
    private TimeSpan _now;

    public TimeSpan Now => SystemThreads.Instance.Now;

    public TimeProvider Time => this;

    public int Processors => SystemThreads.Instance.Processors;

    public Guid NewId() => Guid.NewGuid();

    public void Start(string name, Action body) => SystemThreads.Instance.Start(name, body);

    public IMonitor CreateMonitor() => SystemThreads.Instance.CreateMonitor();

    public void Advance(TimeSpan by)
    {
        List<ManualTimer> due;
        lock (_lock)
        {
            _now += by;
            due = [.. _timers.Where(timer => timer.Due <= _now)];
            _timers.RemoveAll(due.Contains);
        }

        due.ForEach(timer => timer.Fire());
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        lock (_lock) return _now.Ticks;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (_lock)
        {
            ManualTimer timer = new(this, callback, state, _now + dueTime);
            _timers.Add(timer);
            return timer;
        }
    }

    private void Remove(ManualTimer timer)
    {
        lock (_lock) _timers.Remove(timer);
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state, TimeSpan due) : ITimer
    {
        public TimeSpan Due => due;

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();

        public void Dispose() => time.Remove(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
