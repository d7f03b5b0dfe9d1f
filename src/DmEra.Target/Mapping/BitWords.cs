namespace DmEra.Target.Mapping;

/// <summary>Runs of blocks in words of 64 bits, a bit each, counted from the word's lowest.</summary>
internal static class BitWords
{
    /// <summary>Blocks in a word.</summary>
    public const int WordBits = 64;

    /// <summary>Bits of the blocks from this one to the end of the run, or of the word.</summary>
    /// <param name="block">The first block.</param>
    /// <param name="end">The block behind the last one, behind <paramref name="block"/>.</param>
    public static ulong Mask(uint block, uint end)
    {
        int low = (int)(block % WordBits);
        uint count = Math.Min(end - block, (uint)(WordBits - low));
        return (ulong.MaxValue >> (int)(WordBits - count)) << low;
    }

    /// <summary>The first block of the next word. No overflow: blocks are numbered in 31 bits.</summary>
    public static uint NextWord(uint block) => (block & ~(WordBits - 1u)) + WordBits;
}
