using DmEra.Devices.Threads;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

/// <summary>What the device and its worker do with <see cref="MarkAhead"/>, without either: blocks are marked in memory, at once or
/// when the test says so, and it is known which of them were written.</summary>
internal sealed class MarkedDisk
{
    private readonly MarkAhead _markAhead;
    private readonly uint _blocks;
    private readonly HashSet<uint> _written = [];
    private Writeset _writeset;
    private uint _era;

    public MarkedDisk(uint limit, uint blocks)
    {
        _markAhead = new MarkAhead(limit);
        _blocks = blocks;
        _writeset = NextWriteset();
    }

    /// <summary>Commits for which somebody waited.</summary>
    public int Waits { get; private set; }

    /// <summary>Commits for which nobody did.</summary>
    public int Asks { get; private set; }

    /// <summary>Of the last commit's writes, how many were no stream's.</summary>
    public int Scattered { get; private set; }

    /// <summary>Blocks that are marked and were not written in this era.</summary>
    public uint[] Excess => [.. Marked.Where(block => !_written.Contains(block))];

    /// <summary>Blocks that are marked in this era.</summary>
    public IEnumerable<uint> Marked => Enumerable.Range(0, (int)_blocks).Select(block => (uint)block).Where(IsMarked);

    public void Write(uint block) => Write(new BlockRange(block, block + 1));

    /// <summary>Writes that are under way together, in the order in which they come.</summary>
    public void Write(params BlockRange[] together)
    {
        MarkGroup group = new(SystemThreads.Instance);
        foreach (BlockRange blocks in together)
        {
            for (uint block = blocks.Begin; block < blocks.End; block++) _written.Add(block);
            if (!_writeset.IsMarked(blocks)) group.Add(blocks);
            else _markAhead.Reach(blocks);
        }

        if (group.Count > 0) Waits++;
        else if (_markAhead.IsAsked) Asks++;
        else return;
        Commit(group);
    }

    public void BeginEra()
    {
        _written.Clear();
        _writeset = NextWriteset();
        _markAhead.StartOver();
    }

    private void Commit(MarkGroup group)
    {
        _markAhead.TakeAsk();
        _markAhead.Plan(group, _blocks);
        Scattered = group.Scattered;
        foreach (BlockRange blocks in (IEnumerable<BlockRange>)[.. group.Ranges, .. group.Ahead])
        {
            Assert.InRange(blocks.End, blocks.Begin + 1, _blocks);
            _writeset.SetMarked(blocks);
        }
    }

    private bool IsMarked(uint block) => _writeset.IsMarked(new BlockRange(block, block + 1));

    private Writeset NextWriteset() => new(++_era, Writeset.NoPages(_blocks), SystemThreads.Instance);
}
