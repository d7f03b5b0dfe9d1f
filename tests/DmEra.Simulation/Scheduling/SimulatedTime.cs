namespace DmEra.Simulation.Scheduling;

/// <summary>The clock on the wall of one machine of a simulated world, and its timers: each is a thread that waits.</summary>
/// <param name="scheduler">Of the world.</param>
/// <param name="ahead">By how much the clock is ahead of the world's.</param>
internal sealed class SimulatedTime(Scheduler scheduler, TimeSpan ahead = default) : TimeProvider
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => scheduler.Now.Ticks;

    public override DateTimeOffset GetUtcNow() => Start + ahead + scheduler.Now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new SimulatedTimer(scheduler, () => callback(state), dueTime, period);

    private sealed class SimulatedTimer : ITimer
    {
        private readonly Scheduler _scheduler;
        private bool _isOver;

        public SimulatedTimer(Scheduler scheduler, Action callback, TimeSpan dueTime, TimeSpan period)
        {
            _scheduler = scheduler;
            scheduler.Start("timer", () =>
            {
                for (TimeSpan due = dueTime; !_isOver && due != Timeout.InfiniteTimeSpan; due = period)
                {
                    scheduler.Wait(this, due);
                    if (!_isOver) callback();
                }
            });
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();

        public void Dispose()
        {
            _isOver = true;
            _scheduler.WakeAll(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
