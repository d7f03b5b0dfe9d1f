using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>
/// The one thread that owns the metadata (kernel: <c>process_deferred_bios</c> and <c>process_rpc_calls</c>). Others hand it
/// marks and calls and wait. Marks are served in groups: one commit for all that wait. What nobody waits for,
/// digestion, is done in small steps when there is nothing else to do.
/// </summary>
internal sealed class EraWorker
{
    // How long a commit is held back for marks that the last one makes probable.
    private static readonly TimeSpan GroupWindow = TimeSpan.FromMilliseconds(1);

    // A device that never rests still gets a step of digestion after so many commits.
    private const int RoundsBetweenSteps = 8;

    private readonly IThreads _threads;
    private readonly EraTransactions _eras;
    private readonly MarkAhead _markAhead;
    private readonly Completion _ended;
    private readonly IMonitor _monitor;             // guards the fields below; only the worker waits in it
    private readonly Queue<IWorkerCall> _calls = new();
    private MarkGroup _collecting;
    private int _marksAwaited = 1;
    private bool _isStopping;

    // The worker's own.
    private int _lastGroup;
    private int _roundsSinceStep;

    /// <summary>Starts the thread.</summary>
    public EraWorker(EraTransactions eras, MarkAhead markAhead, IThreads threads)
    {
        _threads = threads;
        _eras = eras;
        _markAhead = markAhead;
        _ended = new Completion(threads);
        _monitor = threads.CreateMonitor();
        _collecting = new MarkGroup(threads);
        threads.Start("era metadata", Work);
    }

    /// <summary>Returns when the marks of these blocks are durable in the era that is then current.</summary>
    /// <exception cref="DeviceException">They are not: ENOSPC or EIO.</exception>
    public void Mark(BlockRange blocks)
    {
        MarkGroup group;
        using (_monitor.Hold())
        {
            group = _collecting;
            group.Add(blocks);
            if (group.Count == _marksAwaited) _monitor.PulseAll();
        }

        group.Wait();
    }

    /// <summary>As <see cref="Mark(BlockRange)"/>, for many at once: one commit.</summary>
    /// <exception cref="DeviceException">They are not durable: ENOSPC or EIO.</exception>
    public void Mark(IReadOnlyList<BlockRange> ranges)
    {
        if (ranges.Count == 0) return;
        MarkGroup group;
        using (_monitor.Hold())
        {
            group = _collecting;
            foreach (BlockRange blocks in ranges) group.Add(blocks);
            _monitor.PulseAll();
        }

        group.Wait();
    }

    /// <summary>Returns at once: a sequential writer has asked for the next marks.</summary>
    public void MarkAhead()
    {
        using MonitorHold hold = _monitor.Hold();
        _monitor.PulseAll();
    }

    /// <summary>Runs a call on the worker's thread, after those handed in before, and waits for it. Its exceptions
    /// come out here.</summary>
    public T Run<T>(Func<EraTransactions, T> body)
    {
        WorkerCall<T> call = new(body, _threads);
        using (_monitor.Hold())
        {
            if (_isStopping) throw new EraTargetException("the device has been stopped", Errno.ESHUTDOWN);
            _calls.Enqueue(call);
            _monitor.PulseAll();
        }

        return call.Wait();
    }

    /// <summary>Ends the thread when it has served what was handed in.</summary>
    public void Stop()
    {
        using (_monitor.Hold())
        {
            _isStopping = true;
            _monitor.PulseAll();
        }

        _ended.Wait();
    }

    private bool HasMarks => _collecting.Count > 0 || _markAhead.IsAsked;

    private void Work()
    {
        while (TryTakeWork(out MarkGroup? marks, out IWorkerCall? call))
        {
            if (marks != null) Mark(marks);
            call?.Run(_eras);
            bool isIdle = marks == null && call == null;
            if (!isIdle && ++_roundsSinceStep < RoundsBetweenSteps) continue;
            _roundsSinceStep = 0;
            _eras.DigestStep();
        }

        _ended.Complete();
    }

    private void Mark(MarkGroup marks)
    {
        _eras.Mark(marks);
        if (marks.Count > 0) _lastGroup = marks.Scattered;
    }

    /// <summary>Waits for something to do; both null: a step of digestion.</summary>
    /// <returns>false: stop.</returns>
    private bool TryTakeWork(out MarkGroup? marks, out IWorkerCall? call)
    {
        using MonitorHold hold = _monitor.Hold();
        while (!HasMarks && _calls.Count == 0 && !_isStopping && !_eras.HasDigestion) _monitor.Wait();
        marks = HasMarks ? TakeGroup() : null;
        _ = _calls.TryDequeue(out call);
        return marks != null || call != null || !_isStopping;
    }

    // Those whom the last commit released are likely to be back in a moment: a commit for the first of them would make
    // the rest wait for a second one. Where there was one mark there is nothing to wait for; nor is there for sequential
    // writers, for whom the first one's commit marks ahead.
    private MarkGroup TakeGroup()
    {
        TimeSpan end = _threads.Now + GroupWindow;
        _marksAwaited = _lastGroup;
        while (_collecting.Count < _marksAwaited && !_markAhead.IsAsked && _calls.Count == 0 && !_isStopping)
        {
            TimeSpan left = end - _threads.Now;
            if (left <= TimeSpan.Zero) break;
            _monitor.Wait(left);
        }

        _marksAwaited = 1;
        _markAhead.TakeAsk();
        MarkGroup group = _collecting;
        _collecting = new MarkGroup(_threads);
        return group;
    }
}
