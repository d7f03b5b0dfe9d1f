using DmEra.Devices.Threads;
using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>
/// The blocks whose mark in one era is durable, one bit each, and the writes that entered in that era and are still
/// on their way. Any thread tests bits, without a lock; the metadata's worker alone sets them, and only after the
/// commit (kernel: the in-core half of <c>struct writeset</c>).
/// </summary>
/// <remarks>Bits take memory where some are set: a page of them appears with its first mark. Pages that are set all at once, as
/// by a discard, are one.</remarks>
/// <param name="era">The era.</param>
/// <param name="pages">Pages for the bits of all blocks, none there yet: see <see cref="NoPages"/>.</param>
/// <param name="threads">Where to wait.</param>
internal sealed class Writeset(uint era, ulong[]?[] pages, IThreads threads)
{
    private const int WordsPerPage = 512;
    private const uint BlocksPerPage = WordsPerPage * BitWords.WordBits;

    // No bit of it is ever cleared: so nobody needs a copy.
    private static readonly ulong[] FullPage = [.. Enumerable.Repeat(ulong.MaxValue, WordsPerPage)];

    public uint Era { get; } = era;

    /// <summary>The writes that entered in this era and are still on their way to the origin.</summary>
    public InFlight Writes { get; } = new(threads);

    /// <summary>Room for the pages of a device of this many blocks.</summary>
    public static ulong[]?[] NoPages(uint blocks) => new ulong[]?[(int)(((ulong)blocks + BlocksPerPage - 1) / BlocksPerPage)];

    /// <summary>True when the mark of every block in the range is durable.</summary>
    public bool IsMarked(BlockRange blocks)
    {
        for (uint block = blocks.Begin; block < blocks.End; block = BitWords.NextWord(block))
        {
            // Partner of SetMarked, which puts a page in its place before it sets bits there.
            ulong[]? page = Volatile.Read(ref pages[block / BlocksPerPage]);
            if (page is null) return false;
            ulong mask = BitWords.Mask(block, blocks.End);
            if ((Volatile.Read(ref page[block / BitWords.WordBits % WordsPerPage]) & mask) != mask) return false;
        }

        return true;
    }

    /// <summary>Says that the marks of these blocks are durable.</summary>
    public void SetMarked(BlockRange blocks)
    {
        for (uint block = blocks.Begin; block < blocks.End;)
        {
            // Partner of IsMarked; this is the only thread that writes.
            ref ulong[]? page = ref pages[block / BlocksPerPage];
            if (block % BlocksPerPage == 0 && blocks.End - block >= BlocksPerPage)
            {
                Volatile.Write(ref page, FullPage);
                block += BlocksPerPage;
                continue;
            }

            if (page is null) Volatile.Write(ref page, new ulong[WordsPerPage]);
            ref ulong word = ref page[block / BitWords.WordBits % WordsPerPage];
            ulong mask = BitWords.Mask(block, blocks.End);
            if ((word & mask) != mask) Volatile.Write(ref word, word | mask);
            block = BitWords.NextWord(block);
        }
    }
}
