using System.Numerics;
using DmEra.PersistentData.Bitsets;
using DmEra.Target.History;

namespace DmEra.Fuzz.Metadata;

/// <summary>A list of changed blocks, as a set.</summary>
internal sealed class WrittenBlocks
{
    private readonly ulong[] _bits;

    private WrittenBlocks(ulong[] bits) => _bits = bits;

    /// <summary>Reads it; nothing for an era that has not begun, as era invalidate.</summary>
    public static WrittenBlocks Read(EraHistory history, uint since)
    {
        ulong[] bits = new ulong[(history.NrBlocks + 63UL) / 64];
        foreach (BlockRange run in since > history.CurrentEra ? [] : history.WrittenSince(since))
        {
            for (ulong block = run.Begin; block < run.End;)
            {
                ulong wordEnd = Math.Min((block | 63) + 1, run.End);
                bits[block / 64] |= BlockBits.Mask((int)(block % 64), (int)(wordEnd - block));
                block = wordEnd;
            }
        }

        return new WrittenBlocks(bits);
    }

    /// <summary>The first block that is here and not in another list; null when there is none.</summary>
    public ulong? FirstMissingIn(WrittenBlocks other)
    {
        for (int i = 0; i < _bits.Length; i++)
        {
            ulong missing = _bits[i] & ~(i < other._bits.Length ? other._bits[i] : 0);
            if (missing != 0) return ((ulong)i * 64) + (ulong)BitOperations.TrailingZeroCount(missing);
        }

        return null;
    }
}
