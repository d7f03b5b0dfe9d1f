using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>Marks that become durable, or fail, with the same commit. The worker's monitor guards it while it
/// collects; then it is the worker's alone until it is over.</summary>
internal sealed class MarkGroup(IThreads threads)
{
    private readonly Completion _completion = new(threads);
    private readonly List<BlockRange> _ranges = [];
    private Exception? _failure;
    private bool _isOver;       // for the worker

    /// <summary>Requests that wait for this group.</summary>
    public int Count => _ranges.Count;

    /// <summary>What to mark; ranges may overlap.</summary>
    public IReadOnlyList<BlockRange> Ranges => _ranges;

    /// <summary>Marked with them, though nobody waits for it.</summary>
    public List<BlockRange> Ahead { get; } = [];

    /// <summary>Of the requests, those that are no part of a sequential writer's.</summary>
    public int Scattered { get; set; }

    public void Add(BlockRange blocks) => _ranges.Add(blocks);

    /// <summary>True when there is nothing left to do, as when an earlier group marked the same blocks.</summary>
    public bool IsMarkedIn(Writeset writeset) => IsServedIn(writeset) && AreMarkedIn(writeset, Ahead);

    /// <summary>True when nobody has to wait any longer.</summary>
    public bool IsServedIn(Writeset writeset) => AreMarkedIn(writeset, _ranges);

    /// <summary>Ends it for all that wait, unless that was done before.</summary>
    /// <param name="failure">null: the marks are durable.</param>
    public void Complete(Exception? failure)
    {
        if (_isOver) return;
        _isOver = true;
        _failure = failure;
        _completion.Complete();
    }

    /// <summary>Waits until the marks are durable.</summary>
    /// <exception cref="DeviceException">They are not.</exception>
    public void Wait()
    {
        _completion.Wait();
        if (_failure != null)
            throw new DeviceException($"cannot mark a block as written ({_failure.Message})", Faults.Errno(_failure));
    }

    private static bool AreMarkedIn(Writeset writeset, List<BlockRange> ranges)
    {
        foreach (BlockRange blocks in ranges)
        {
            if (!writeset.IsMarked(blocks)) return false;
        }

        return true;
    }
}
