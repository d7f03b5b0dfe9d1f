namespace DmEra.Simulation.Scheduling;

/// <summary>
/// Runs the threads of a simulated world one at a time, and chooses from the seed which one goes on at every switch
/// point: same seed, same run. Time is virtual, and moves only when every thread waits.
/// </summary>
/// <remarks>
/// Each simulated thread is a real one, so that the product's code runs as it is; a baton keeps all but one of them
/// parked. Only the thread that holds the baton touches any of this state, so nothing here needs a lock.
/// </remarks>
public sealed class Scheduler
{
    // Of real time. A world takes a second; one that takes this long waits for something outside of it.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly Random _random;
    private readonly List<SimulatedThread> _runnable = [];
    private readonly List<SimulatedThread> _waiting = [];
    private readonly SemaphoreSlim _ended = new(0);
    private Exception? _failure;
    private bool _powerCut;

    /// <summary>Creates a scheduler whose choices follow <paramref name="seed"/>.</summary>
    public Scheduler(int seed) => _random = new Random(seed);

    /// <summary>Virtual time within which every thread must have ended: whoever goes on for longer waits for something that will
    /// never be.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.MaxValue;

    /// <summary>Virtual time since the start of the world.</summary>
    public TimeSpan Now { get; private set; }

    /// <summary>Choices made so far.</summary>
    public long Switches { get; private set; }

    /// <summary>True once <see cref="CutPower"/> was called.</summary>
    public bool IsPowerCut => _powerCut;

    /// <summary>Adds a thread, which runs when it is first chosen.</summary>
    public SimulatedThread Start(string name, Action body)
    {
        SimulatedThread thread = new(this, name, body);
        _runnable.Add(thread);
        return thread;
    }

    /// <summary>Runs the world until every thread has ended.</summary>
    /// <exception cref="SimulationException">A thread failed, or all that are left wait for ever, in this world or
    /// outside of it.</exception>
    public void Run()
    {
        PassBaton();
        if (!_ended.Wait(Limit)) throw new SimulationException("a thread waits for something outside of the simulated world");
        if (_failure is not null) throw new SimulationException(_failure.Message, _failure);
    }

    /// <summary>An id that follows from the seed, and nothing else has.</summary>
    public Guid NewId()
    {
        byte[] id = new byte[16];
        _random.NextBytes(id);
        return new Guid(id);
    }

    /// <summary>A switch point: any thread that can run may be next, this one included.</summary>
    public void Yield()
    {
        SimulatedThread self = SimulatedThread.Current;
        _runnable.Add(self);
        PassBaton();
        self.AwaitBaton();
    }

    /// <summary>Waits until <see cref="WakeAll"/> is called for the same object or the time is over.</summary>
    /// <returns>false when the time was over.</returns>
    public bool Wait(object condition, TimeSpan timeout)
    {
        ThrowIfPowerCut();
        SimulatedThread self = SimulatedThread.Current;
        self.WaitsFor = condition;
        self.WakesAt = timeout == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : Now + timeout;
        _waiting.Add(self);
        PassBaton();
        self.AwaitBaton();
        return self.WaitsFor is null;
    }

    /// <summary>Makes every thread that waits for this object able to run.</summary>
    public void WakeAll(object condition)
    {
        for (int i = _waiting.Count - 1; i >= 0; i--)
        {
            if (ReferenceEquals(_waiting[i].WaitsFor, condition)) WakeAt(i);
        }
    }

    /// <summary>Makes one of the threads that wait for this object able to run, any of them.</summary>
    public void WakeOne(object condition)
    {
        int[] places = [.. Enumerable.Range(0, _waiting.Count).Where(i => ReferenceEquals(_waiting[i].WaitsFor, condition))];
        if (places.Length > 0) WakeAt(places[_random.Next(places.Length)]);
    }

    /// <summary>Ends every thread at its next switch point, as a power cut does.</summary>
    public void CutPower()
    {
        _powerCut = true;
        _runnable.AddRange(_waiting);
        _waiting.Clear();
    }

    /// <summary>Ends the world: a promise is broken. Not by an exception, which the code that runs might take for a fault
    /// that it can live with.</summary>
    public void Fail(string what) => Fail(new SimulationException($"{SimulatedThread.Current.Name}: {what}"));

    internal void End(SimulatedThread thread, Exception? failure)
    {
        if (failure is not null and not ThreadEndException)
            Fail(new SimulationException($"{thread.Name}: {failure.Message}", failure));
        PassBaton();
    }

    private void Fail(SimulationException failure)
    {
        _failure ??= failure;
        CutPower();
    }

    internal void ThrowIfPowerCut()
    {
        if (_powerCut) throw new PowerCutException();
    }

    private void WakeAt(int place)
    {
        SimulatedThread thread = _waiting[place];
        thread.WaitsFor = null;
        _waiting.RemoveAt(place);
        _runnable.Add(thread);
    }

    private void PassBaton()
    {
        if (_runnable.Count == 0) WakeTheNextSleeper();
        if (_runnable.Count == 0)
        {
            _ended.Release();
            return;
        }

        Switches++;
        int chosen = _random.Next(_runnable.Count);
        SimulatedThread next = _runnable[chosen];
        _runnable.RemoveAt(chosen);
        next.TakeBaton();
    }

    private void WakeTheNextSleeper()
    {
        if (_waiting.Count == 0) return;
        SimulatedThread first = _waiting.MinBy(thread => thread.WakesAt)!;
        if (first.WakesAt >= Longest)
        {
            string names = string.Join(", ", _waiting.Select(thread => thread.Name));
            _failure ??= new SimulationException(first.WakesAt == TimeSpan.MaxValue
                ? $"deadlock: nobody will ever wake {names}"
                : $"after {Now} there are still {names}");
            CutPower();
            return;
        }

        Now = first.WakesAt > Now ? first.WakesAt : Now;
        _waiting.Remove(first);
        _runnable.Add(first);
    }
}
