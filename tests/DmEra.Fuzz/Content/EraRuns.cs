namespace DmEra.Fuzz.Content;

/// <summary>A number for each block of a device, kept as runs: devices have up to 2^31 - 1 blocks, and few runs.</summary>
internal sealed class EraRuns
{
    private readonly List<(uint Begin, uint End, uint Era)> _runs = [];

    /// <summary>All blocks 0: never written.</summary>
    public EraRuns(uint nrBlocks) => Length = nrBlocks;

    /// <summary>A copy, cut off or continued with 0.</summary>
    public EraRuns(EraRuns other, uint nrBlocks)
        : this(nrBlocks)
    {
        foreach ((uint begin, uint end, uint era) in other._runs.Where(run => run.Begin < nrBlocks))
            _runs.Add((begin, Math.Min(end, nrBlocks), era));
    }

    /// <summary>Blocks.</summary>
    public uint Length { get; }

    /// <summary>The runs of blocks that are not 0, ascending; neighbours differ.</summary>
    public IReadOnlyList<(uint Begin, uint End, uint Era)> Runs => _runs;

    /// <summary>The blocks of an era or later, as ascending ranges.</summary>
    public IEnumerable<(uint Begin, uint End)> Since(uint era)
    {
        (uint Begin, uint End) last = default;
        foreach ((uint begin, uint end, _) in _runs.Where(run => run.Era >= era))
        {
            if (last.End == begin && last.End > 0)
            {
                last.End = end;
                continue;
            }

            if (last.End > 0) yield return last;
            last = (begin, end);
        }

        if (last.End > 0) yield return last;
    }

    /// <summary>Gives a range of blocks a number; what lies behind the end is left out.</summary>
    public EraRuns Set(uint begin, uint end, uint era)
    {
        end = Math.Min(end, Length);
        if (begin >= end) return this;
        int first = FirstEndingAfter(begin);
        int last = first;
        while (last < _runs.Count && _runs[last].Begin < end) last++;
        List<(uint, uint, uint)> pieces = [];
        if (first < last && _runs[first].Begin < begin) pieces.Add((_runs[first].Begin, begin, _runs[first].Era));
        if (era != 0) pieces.Add((begin, end, era));
        if (first < last && _runs[last - 1].End > end) pieces.Add((end, _runs[last - 1].End, _runs[last - 1].Era));
        _runs.RemoveRange(first, last - first);
        _runs.InsertRange(first, pieces);
        for (int i = Math.Min(first + pieces.Count, _runs.Count - 1); i >= Math.Max(first, 1); i--)
        {
            if (_runs[i - 1].End != _runs[i].Begin || _runs[i - 1].Era != _runs[i].Era) continue;
            _runs[i - 1] = (_runs[i - 1].Begin, _runs[i].End, _runs[i].Era);
            _runs.RemoveAt(i);
        }

        return this;
    }

    /// <summary>Continues behind all that is not 0.</summary>
    public void Append(uint begin, uint end, uint era)
    {
        if (begin >= end || era == 0) return;
        if (_runs.Count > 0 && _runs[^1].End == begin && _runs[^1].Era == era) _runs[^1] = (_runs[^1].Begin, end, era);
        else _runs.Add((begin, end, era));
    }

    /// <summary>The number of a block.</summary>
    public uint this[uint block]
    {
        get
        {
            int i = FirstEndingAfter(block);
            return i < _runs.Count && _runs[i].Begin <= block ? _runs[i].Era : 0;
        }
    }

    /// <summary>The pieces that a range consists of, 0 included.</summary>
    public IEnumerable<(uint Begin, uint End, uint Era)> Pieces(uint begin, uint end)
    {
        for (int i = FirstEndingAfter(begin); begin < end;)
        {
            (uint Begin, uint End, uint Era) run = i < _runs.Count ? _runs[i] : (end, end, 0);
            if (run.Begin > begin)
            {
                yield return (begin, Math.Min(run.Begin, end), 0);
                begin = Math.Min(run.Begin, end);
                continue;
            }

            yield return (begin, Math.Min(run.End, end), run.Era);
            begin = Math.Min(run.End, end);
            i++;
        }
    }

    private int FirstEndingAfter(uint block)
    {
        int low = 0, high = _runs.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_runs[middle].End > block) high = middle;
            else low = middle + 1;
        }

        return low;
    }
}
