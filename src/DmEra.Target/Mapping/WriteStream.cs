using System.Numerics;
using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>
/// A sequential writer in one era: how far the marks are ahead of it, and which of them it has not come to yet. It has at most as
/// many of those as it has written blocks one behind the other, and never more than the limit: so the marks run ahead twice as far
/// each time that it goes on, and stop when it does. What others have marked there already counts all the same: so no mark is further
/// ahead than the limit.
/// </summary>
/// <remarks>Belongs to the worker, but for <see cref="Reach"/>.</remarks>
internal sealed class WriteStream
{
    // The ring has room for so many times the limit. Writers look at the nearer half of it: a bit there stands for another block
    // only after the marks have moved on by twice the limit, which takes two commits. One that is held up for that long in the midst
    // of Reach may have a mark too many not counted, and nothing worse.
    private const uint RingLimits = 4;

    private readonly uint _limit;
    private readonly ulong[] _pending;      // a ring of the last blocks before the edge: marked ahead, and not written yet
    private ulong _span;                    // for writers: where to ask for more marks (the upper half), and the edge
    private uint _edge;                     // the block behind the last one that is marked ahead or was asked for
    private uint _planned;                  // the edge of the last plan
    private ulong _passed;                  // blocks that the edge has moved over
    private uint _skipped;                  // of these, left behind unwritten, further back than the ring

    /// <summary>A writer with nothing marked ahead of it.</summary>
    /// <param name="limit">The most blocks ahead.</param>
    /// <param name="position">The block that it comes to next.</param>
    /// <param name="length">Blocks that it has written, one behind the other.</param>
    public WriteStream(uint limit, uint position, ulong length)
    {
        _limit = limit;
        _pending = new ulong[((ulong)limit * RingLimits + BitWords.WordBits - 1) / BitWords.WordBits];
        _edge = _planned = position;
        _passed = length;
    }

    /// <summary>When it last went on; later is greater.</summary>
    public long LastUse { get; set; }

    /// <summary>Whether it leaves out so many blocks that it is none.</summary>
    public bool IsOver => _skipped * 2 > _limit;

    /// <summary>The block behind the last one that it has come to.</summary>
    public uint Position
    {
        get
        {
            uint position = _edge;
            while (position > 0 && IsPending(position - 1)) position--;
            return position;
        }
    }

    private uint RingBits => (uint)_pending.Length * BitWords.WordBits;

    /// <summary>Blocks that are marked because of it and that it did not write.</summary>
    private uint Excess
    {
        get
        {
            uint excess = _skipped;
            foreach (ref ulong word in _pending.AsSpan()) excess += (uint)BitOperations.PopCount(Volatile.Read(ref word));
            return excess;
        }
    }

    private uint Allowance
    {
        get
        {
            uint excess = Excess;
            return (uint)Math.Min(_limit, _passed - excess) is uint most && most > excess ? most - excess : 0;
        }
    }

    /// <summary>Somebody writes to these blocks, whose marks are durable. Any thread, without a lock.</summary>
    /// <returns>true: the writer has come to the last half of what is marked ahead of it; time for the next marks.</returns>
    public bool Reach(BlockRange blocks)
    {
        ulong span = Volatile.Read(ref _span);
        uint edge = (uint)span;
        if (blocks.Begin >= edge) return false;     // so it is of most that are asked
        uint end = Math.Min(blocks.End, edge);
        if (end + (RingBits / 2) <= edge) return false;
        bool comesTo = Clear(Math.Max(blocks.Begin, edge - Math.Min(edge, RingBits / 2)), end);

        // Who writes there again has come no further, and would ask in vain.
        return comesTo && end > (uint)(span >> 32);
    }

    /// <summary>Whether a first write to these blocks is one of this writer, who may be a little out of order.</summary>
    public bool IsNext(BlockRange blocks) => blocks.End + (RingBits / 2) > _edge && blocks.Begin <= _edge + Allowance;

    /// <summary>The writer waits for the marks of these blocks; see <see cref="IsNext"/>.</summary>
    public void GoOn(BlockRange blocks)
    {
        if (blocks.Begin > _edge) Pass(blocks.Begin, isAhead: true);
        else Clear(Math.Max(blocks.Begin, _edge - Math.Min(_edge, RingBits)), Math.Min(blocks.End, _edge));
        if (blocks.End > _edge) Pass(blocks.End, isAhead: false);
    }

    /// <summary>Marks as many blocks ahead as it may have.</summary>
    /// <param name="blocks">Blocks of the device.</param>
    /// <returns>What is to be marked: all that it has come to, or will, since it was last asked; empty when that is nothing.</returns>
    public BlockRange Plan(uint blocks)
    {
        Pass(Math.Min(_edge + Allowance, blocks), isAhead: true);
        BlockRange planned = new(_planned, _edge);
        _planned = _edge;
        ulong turn = _edge - ((Excess - _skipped + 1) / 2);
        Volatile.Write(ref _span, (turn << 32) | _edge);
        return planned;
    }

    // Moves the edge over blocks that are marked ahead, or are asked for.
    private void Pass(uint end, bool isAhead)
    {
        // Of what is longer than the ring there is only the end in it.
        for (uint block = end - Math.Min(end - _edge, RingBits); block < end; block++)
        {
            if (IsPending(block)) _skipped++;       // a whole ring before
            ref ulong word = ref WordOf(block);
            ulong bit = BitWords.Mask(block, block + 1);
            if (isAhead) Interlocked.Or(ref word, bit);
            else Interlocked.And(ref word, ~bit);
        }

        _passed += end - _edge;
        _edge = end;
    }

    // Whether one of them was marked ahead, and not written yet.
    private bool Clear(uint begin, uint end)
    {
        ulong cleared = 0;
        for (uint block = begin; block < end; block = BitWords.NextWord(block))
        {
            ref ulong word = ref WordOf(block);
            ulong mask = BitWords.Mask(block, end);
            if ((Volatile.Read(ref word) & mask) != 0) cleared |= Interlocked.And(ref word, ~mask) & mask;
        }

        return cleared != 0;
    }

    private bool IsPending(uint block) => (Volatile.Read(ref WordOf(block)) & BitWords.Mask(block, block + 1)) != 0;

    private ref ulong WordOf(uint block) => ref _pending[block / BitWords.WordBits % (uint)_pending.Length];
}
