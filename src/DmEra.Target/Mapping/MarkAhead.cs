using System.Runtime.InteropServices;
using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>
/// Finds sequential writers, several at a time, and has the blocks that they will come to next marked while they are still
/// among marked ones, as read-ahead does for readers. What a writer has not come to when it stops counts as written: marks may be
/// too many, by no more than a <see cref="WriteStream"/> allows, until the era ends.
/// </summary>
/// <remarks>A scattered writer costs a few comparisons, and nothing is marked that it does not write. Belongs to the worker, but for
/// <see cref="Reach"/> and <see cref="IsAsked"/>.</remarks>
/// <param name="limit">The most blocks ahead of a writer, up to <see cref="EraTargetOptions.MostMarkedAhead"/>; 0 = none.</param>
internal sealed class MarkAhead(uint limit)
{
    private const uint DefaultBlocks = 64;
    private const long DefaultBytes = 4 << 20;

    // More writers than this at once are scattered ones.
    private const int MostStreams = 8;

    // First writes, one behind the other, that make a stream: so many lie so by accident only where nearly everything is
    // written. And how many places are remembered where the next one may lie.
    private const int WritesOfAStream = 4;
    private const int MostRuns = 32;

    private readonly Run[] _runs = new Run[MostRuns];
    private readonly List<BlockRange> _sorted = [];
    private WriteStream[] _streams = [];        // replaced when it changes: any thread may be looking through it
    private bool _isAsked;
    private int _oldestRun;
    private long _uses;

    /// <summary>The most blocks ahead of a writer unless told otherwise.</summary>
    /// <param name="blockSizeBytes">Bytes of an origin block.</param>
    public static uint DefaultLimit(long blockSizeBytes) => (uint)Math.Min(DefaultBlocks, DefaultBytes / blockSizeBytes);

    /// <summary>Whether a writer has come so far that the next marks should be made.</summary>
    public bool IsAsked => Volatile.Read(ref _isAsked);

    /// <summary>Somebody writes to these blocks, whose marks are durable. Any thread, without a lock.</summary>
    /// <returns>true: the worker should be told to make the next marks; one thread is told so.</returns>
    public bool Reach(BlockRange blocks)
    {
        bool asks = false;
        foreach (WriteStream stream in Volatile.Read(ref _streams)) asks |= stream.Reach(blocks);
        return asks && !IsAsked && !Interlocked.Exchange(ref _isAsked, true);
    }

    /// <summary>What a writer has asked for until now is about to be done.</summary>
    public void TakeAsk() => Interlocked.Exchange(ref _isAsked, false);

    /// <summary>Adds to a group what is to be marked ahead with it.</summary>
    /// <param name="group">First writes, and perhaps none.</param>
    /// <param name="blocks">Blocks of the device.</param>
    public void Plan(MarkGroup group, uint blocks)
    {
        group.Scattered = group.Count;
        if (limit == 0) return;

        // Those that came together may have come in any order.
        _sorted.Clear();
        _sorted.AddRange(group.Ranges);
        _sorted.Sort(static (a, b) => a.Begin.CompareTo(b.Begin));
        foreach (BlockRange written in _sorted)
        {
            if (TryGoOn(written)) group.Scattered--;
        }

        foreach (WriteStream stream in _streams)
        {
            if (stream.Plan(blocks) is not { Count: > 0 } ahead) continue;
            stream.LastUse = ++_uses;
            group.Ahead.Add(ahead);
        }
    }

    /// <summary>Nothing is marked ahead of any writer: an era begins, or what was planned has failed. Those that go on where they
    /// were are known again by their next write, and what they write from then on is what counts.</summary>
    public void StartOver()
    {
        foreach (WriteStream stream in _streams) Remember(new Run(stream.Position, 0, WritesOfAStream - 1));
        foreach (ref Run run in _runs.AsSpan()) run = run with { Length = 0 };
        Publish([]);
    }

    private bool TryGoOn(BlockRange written)
    {
        foreach (WriteStream stream in _streams)
        {
            if (!stream.IsNext(written)) continue;
            stream.GoOn(written);
            stream.LastUse = ++_uses;
            if (stream.IsOver) Publish([.. _streams.Where(other => other != stream)]);
            return true;
        }

        Run run = TakeRun(written).Append(written);
        if (run.Writes < WritesOfAStream)
        {
            Remember(run);
            return false;
        }

        // In place of the one that has rested longest, if there are too many.
        IEnumerable<WriteStream> others = _streams.OrderByDescending(stream => stream.LastUse).Take(MostStreams - 1);
        Publish([new WriteStream(limit, written.End, run.Length) { LastUse = ++_uses }, .. others]);
        return true;
    }

    // The run that a write continues, which is taken out; or none.
    private Run TakeRun(BlockRange written)
    {
        foreach (ref Run run in _runs.AsSpan())
        {
            if (!run.IsContinuedBy(written)) continue;
            Run found = run;
            run = default;
            return found;
        }

        return default;
    }

    private void Remember(Run run)
    {
        _runs[_oldestRun] = run;
        _oldestRun = (_oldestRun + 1) % MostRuns;
    }

    private void Publish(WriteStream[] streams) => Volatile.Write(ref _streams, streams);

    /// <summary>Writes that lay one behind the other: the beginning of a stream, or what is left of one.</summary>
    /// <param name="Next">The block that comes next.</param>
    /// <param name="Length">Blocks, of this era.</param>
    /// <param name="Writes">How many; 0 = there is no run.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Run(uint Next, ulong Length, int Writes)
    {
        /// <summary>Whether a first write to these blocks lies behind it. It may begin in its last block, of which others wrote the
        /// beginning, or still be there.</summary>
        public bool IsContinuedBy(BlockRange written) =>
            Writes > 0 && written.Begin <= Next && written.Begin + 1 >= Next;

        /// <summary>The run with this write, which continues it. One that comes no further changes nothing.</summary>
        public Run Append(BlockRange written) =>
            Writes == 0 ? new(written.End, written.Count, 1)
            : written.End > Next ? new(written.End, Length + (written.End - Next), Writes + 1)
            : this;
    }
}
