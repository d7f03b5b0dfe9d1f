using DmEra.Devices.Threads;

namespace DmEra.Simulation.Scheduling;

/// <summary>The product's threads, locks, waits and clock, all of them decided by the scheduler of a simulated world.
/// Entering a lock is a switch point, so that races show.</summary>
internal sealed class SimulatedThreads(Scheduler scheduler, TimeSpan clockAhead = default) : IThreads
{
    public TimeSpan Now => scheduler.Now;

    public TimeProvider Time { get; } = new SimulatedTime(scheduler, clockAhead);

    public int Processors => 2;

    public Guid NewId() => scheduler.NewId();

    public void Start(string name, Action body) => scheduler.Start(name, body);

    public IMonitor CreateMonitor() => new SimulatedMonitor(scheduler);

    private sealed class SimulatedMonitor(Scheduler scheduler) : IMonitor
    {
        private readonly object _condition = new();
        private SimulatedThread? _holder;

        public void Enter()
        {
            scheduler.Yield();
            Acquire();
        }

        public void Leave()
        {
            _holder = null;
            scheduler.WakeAll(this);
        }

        public void Wait() => Wait(Timeout.InfiniteTimeSpan);

        public bool Wait(TimeSpan limit)
        {
            Leave();
            try
            {
                return scheduler.Wait(_condition, limit);
            }
            finally
            {
                // Also when the power goes: the caller's using lets go of the lock on its way out.
                Acquire();
            }
        }

        public void Pulse() => scheduler.WakeOne(_condition);

        public void PulseAll() => scheduler.WakeAll(_condition);

        private void Acquire()
        {
            while (_holder is not null && !scheduler.IsPowerCut) scheduler.Wait(this, Timeout.InfiniteTimeSpan);
            _holder = SimulatedThread.Current;
        }
    }
}
