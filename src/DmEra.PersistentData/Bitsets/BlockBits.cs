using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DmEra.PersistentData.Bitsets;

/// <summary>Bits that stand for blocks, 64 to a word, the lowest first. What uses vectors is compiled when it is
/// first used: the code compiled in advance must do without, and tools end before the runtime compiles it anew.</summary>
public static class BlockBits
{
    /// <summary>Sets the bits of the eras that are not below <paramref name="since"/>.</summary>
    /// <param name="eras">The eras of blocks in a row.</param>
    /// <param name="since">An era.</param>
    /// <param name="bits">Receives the bits; others are left as they are.</param>
    /// <param name="at">Position of the first era's bit.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SetWhereAtLeast(ReadOnlySpan<uint> eras, uint since, Span<ulong> bits, int at)
    {
        for (int done = 0; done < eras.Length; done += 64)
        {
            ulong word = AtLeast(eras.Slice(done, Math.Min(64, eras.Length - done)), since);
            int position = at + done;
            bits[position / 64] |= word << (position % 64);
            // The last word has nothing to carry, and there may be none behind it.
            ulong carry = position % 64 == 0 ? 0 : word >> (64 - (position % 64));
            if (carry != 0) bits[(position / 64) + 1] |= carry;
        }
    }

    /// <summary>Sets the bits that are set in a bitset.</summary>
    /// <param name="words">Words of the bitset.</param>
    /// <param name="count">Blocks that they tell of; bits behind them mean nothing.</param>
    /// <param name="bits">Receives the bits; others are left as they are.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddMarks(ReadOnlySpan<ulong> words, int count, Span<ulong> bits)
    {
        for (int i = 0; i < words.Length; i++) bits[i] |= Marks(words, i, count);
    }

    /// <summary>Raises the eras of blocks that are marked in a bitset to <paramref name="era"/>.</summary>
    /// <param name="words">Words of the bitset; bits behind the last of <paramref name="eras"/> mean nothing.</param>
    /// <param name="era">The era that it is of.</param>
    /// <param name="eras">The eras of the blocks it tells of.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RaiseWhereMarked(ReadOnlySpan<ulong> words, uint era, Span<uint> eras)
    {
        for (int i = 0; i < words.Length; i++)
        {
            for (ulong marks = Marks(words, i, eras.Length); marks != 0; marks &= marks - 1)
            {
                ref uint last = ref eras[(i * 64) + BitOperations.TrailingZeroCount(marks)];
                last = Math.Max(last, era);
            }
        }
    }

    /// <summary>Whether any bit is set.</summary>
    public static bool AnySet(ReadOnlySpan<ulong> words)
    {
        ulong all = 0;
        foreach (ulong word in words) all |= word;
        return all != 0;
    }

    /// <summary>Whether any of the eras is above a limit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AnyAbove(ReadOnlySpan<uint> eras, uint limit)
    {
        Vector256<uint> highest = Vector256<uint>.Zero;
        for (; eras.Length >= Vector256<uint>.Count; eras = eras[Vector256<uint>.Count..])
            highest = Vector256.Max(highest, Vector256.Create(eras));
        return Vector256.GreaterThanAny(highest, Vector256.Create(limit)) || eras.ContainsAnyExceptInRange(0u, limit);
    }

    /// <summary>Sets bits in a row.</summary>
    public static void SetRun(Span<ulong> bits, int begin, int end)
    {
        if (begin >= end) return;
        int first = begin / 64;
        int last = (end - 1) / 64;
        ulong head = ulong.MaxValue << (begin % 64);
        ulong tail = ulong.MaxValue >> (63 - ((end - 1) % 64));
        if (first == last)
        {
            bits[first] |= head & tail;
            return;
        }

        bits[first] |= head;
        bits[(first + 1)..last].Fill(ulong.MaxValue);
        bits[last] |= tail;
    }

    /// <summary>Position of the first bit from <paramref name="from"/> on that equals <paramref name="value"/>, or
    /// <paramref name="end"/> when there is none before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Next(ReadOnlySpan<ulong> bits, bool value, int from, int end)
    {
        ulong flip = value ? 0 : ulong.MaxValue;
        for (int at = from; at < end; at = (at / 64 * 64) + 64)
        {
            ulong word = (bits[at / 64] ^ flip) >> (at % 64);
            if (word != 0) return Math.Min(at + BitOperations.TrailingZeroCount(word), end);
        }

        return end;
    }

    /// <summary>A word with bits in a row set.</summary>
    /// <param name="first">The first, from 0 to 63.</param>
    /// <param name="count">How many, from 1 to 64 - <paramref name="first"/>.</param>
    public static ulong Mask(int first, int count) => ulong.MaxValue >> (64 - count) << first;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Marks(ReadOnlySpan<ulong> words, int i, int count)
    {
        int left = count - (i * 64);
        return left >= 64 ? words[i] : words[i] & ((1UL << left) - 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong AtLeast(ReadOnlySpan<uint> eras, uint since)
    {
        ulong word = 0;
        int i = 0;
        Vector256<uint> threshold = Vector256.Create(since);
        for (; i + Vector256<uint>.Count <= eras.Length; i += Vector256<uint>.Count)
        {
            Vector256<uint> isAtLeast = Vector256.GreaterThanOrEqual(Vector256.Create(eras[i..]), threshold);
            word |= (ulong)isAtLeast.ExtractMostSignificantBits() << i;
        }

        for (; i < eras.Length; i++) word |= eras[i] >= since ? 1UL << i : 0;
        return word;
    }
}
