using DmEra.Devices.Threads;
using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>
/// The blocks whose mark in one era is durable, one bit each, and the writes that entered in that era and are still
/// on their way. Any thread tests bits, without a lock; the metadata's worker alone sets them, and only after the
/// commit (kernel: the in-core half of <c>struct writeset</c>).
/// </summary>
/// <param name="era">The era.</param>
/// <param name="words">Bits for all blocks, 64 to a word, none set. Reused for a later era when this one has
/// ended and its writes have drained.</param>
/// <param name="threads">Where to wait.</param>
internal sealed class Writeset(uint era, ulong[] words, IThreads threads)
{
    private const int WordBits = 64;

    public uint Era { get; } = era;

    /// <summary>The writes that entered in this era and are still on their way to the origin.</summary>
    public InFlight Writes { get; } = new(threads);

    /// <summary>The bits, for use in a later era.</summary>
    public ulong[] Words { get; } = words;

    /// <summary>Words for a device of this many blocks.</summary>
    public static int WordCount(uint blocks) => (int)(((ulong)blocks + WordBits - 1) / WordBits);

    /// <summary>True when the mark of every block in the range is durable.</summary>
    public bool IsMarked(BlockRange blocks)
    {
        for (uint block = blocks.Begin; block < blocks.End; block = NextWord(block))
        {
            ulong mask = Mask(block, blocks.End);
            if ((Volatile.Read(ref Words[block / WordBits]) & mask) != mask) return false;
        }

        return true;
    }

    /// <summary>Says that the marks of these blocks are durable.</summary>
    public void SetMarked(BlockRange blocks)
    {
        for (uint block = blocks.Begin; block < blocks.End; block = NextWord(block))
        {
            ref ulong word = ref Words[block / WordBits];

            // Partner of IsMarked; this is the only thread that writes.
            Volatile.Write(ref word, word | Mask(block, blocks.End));
        }
    }

    // Bits of the blocks from this one to the end of the range, or of the word.
    private static ulong Mask(uint block, uint end)
    {
        int low = (int)(block % WordBits);
        uint count = Math.Min(end - block, (uint)(WordBits - low));
        return (ulong.MaxValue >> (int)(WordBits - count)) << low;
    }

    // No overflow: blocks are numbered in 31 bits.
    private static uint NextWord(uint block) => (block & ~(WordBits - 1u)) + WordBits;
}
