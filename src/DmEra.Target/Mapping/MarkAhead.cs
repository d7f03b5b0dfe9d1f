using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>
/// Has the commit for a first write of a sequential writer mark the blocks that it will come to next as well, so that
/// those cost none. Should it stop before them, they count as written though they were not: marks may be too many.
/// </summary>
/// <param name="ahead">Blocks to mark beyond those that are written; 0 = none.</param>
internal sealed class MarkAhead(uint ahead)
{
    // Where the last first write began. Any thread, without a lock: it is a guess, and a wrong one costs little.
    private long _last = long.MinValue / 2;

    /// <summary>The blocks to mark for a first write to these.</summary>
    /// <param name="blocks">What is written.</param>
    /// <param name="end">Blocks of the device.</param>
    public BlockRange Widen(BlockRange blocks, uint end)
    {
        if (ahead == 0) return blocks;
        long step = blocks.Begin - Interlocked.Exchange(ref _last, blocks.Begin);

        // The next first write comes behind what was marked ahead; those that are on their way together, in any order.
        bool isSequential = step >= -(long)ahead && step <= 2L * ahead;
        return isSequential ? blocks with { End = (uint)Math.Min(blocks.End + (ulong)ahead, end) } : blocks;
    }
}
