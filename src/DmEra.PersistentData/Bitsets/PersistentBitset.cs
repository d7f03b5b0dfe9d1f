using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Transactions;

namespace DmEra.PersistentData.Bitsets;

/// <summary>
/// Copy-on-write bitsets: arrays of 64-bit words, bit b in word b / 64, counted from the word's lowest bit (kernel:
/// dm-bitset.c). The object has no state of its own, not even the one word that the kernel's caches: bits are set
/// an array block at a time. Bits behind the end in the last word are kept zero. Roots and lengths are handled as
/// in <see cref="PersistentArray{TValue}"/>.
/// </summary>
/// <param name="transactions">Where the blocks are.</param>
public sealed class PersistentBitset(TransactionManager transactions)
{
    private const uint BitsPerWord = 64;

    private readonly PersistentArray<Le64> _words = new(transactions);

    /// <summary>Bits in every array block but the last.</summary>
    public static uint BitsPerBlock { get; } = (uint)ArrayBlockHeader.CapacityFor(sizeof(ulong)) * BitsPerWord;

    /// <summary>Makes a bitset with no bit set.</summary>
    /// <returns>Address of the root. The caller owns the reference.</returns>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong CreateEmpty(uint bitCount) => Resize(_words.CreateEmpty(), 0, bitCount);

    /// <summary>Whether a bit is set.</summary>
    /// <exception cref="MetadataCorruptException">There is no such bit, or a block is damaged.</exception>
    public bool Test(ulong root, uint bit) => ((_words.Get(root, bit / BitsPerWord) >> (int)bit) & 1) != 0;

    /// <summary>Sets bits.</summary>
    /// <param name="root">The bitset.</param>
    /// <param name="ascendingBits">Which ones; in order, so that each array block is fetched only once.</param>
    /// <returns>Address of the new root.</returns>
    /// <exception cref="MetadataCorruptException">There is no such bit, or a block is damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong SetBits(ulong root, ReadOnlySpan<uint> ascendingBits)
    {
        for (int i = 0; i < ascendingBits.Length;)
        {
            uint blockIndex = ascendingBits[i] / BitsPerBlock;
            using WriteArrayBlock<Le64> block = _words.WriteBlock(ref root, blockIndex);
            Span<Le64> words = block.Values;
            for (; i < ascendingBits.Length && ascendingBits[i] / BitsPerBlock == blockIndex; i++)
            {
                uint bit = ascendingBits[i];
                int word = (int)(bit % BitsPerBlock / BitsPerWord);
                if (word >= words.Length) throw NoBit(root, bit);
                words[word] |= 1UL << (int)bit;
            }
        }

        return root;
    }

    /// <summary>Sets a run of bits.</summary>
    /// <param name="root">The bitset.</param>
    /// <param name="begin">The first one.</param>
    /// <param name="end">The one behind the last one.</param>
    /// <returns>Address of the new root.</returns>
    /// <exception cref="MetadataCorruptException">There is no such bit, or a block is damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong SetRange(ulong root, uint begin, uint end)
    {
        for (uint bit = begin; bit < end;)
        {
            (uint blockIndex, uint first) = Math.DivRem(bit, BitsPerBlock);
            uint count = Math.Min(end - bit, BitsPerBlock - first);
            using WriteArrayBlock<Le64> block = _words.WriteBlock(ref root, blockIndex);
            if ((first + count - 1) / BitsPerWord >= block.Values.Length) throw NoBit(root, bit + count - 1);
            SetRun(block.Values, first, first + count);
            bit += count;
        }

        return root;
    }

    /// <summary>Reads the words from bit <paramref name="blockIndex"/> * <see cref="BitsPerBlock"/> on.</summary>
    /// <returns>To be disposed before the bitset changes.</returns>
    /// <exception cref="MetadataCorruptException">There is no such block, or it is damaged.</exception>
    public ReadArrayBlock<Le64> ReadBlock(ulong root, uint blockIndex) => _words.ReadBlock(root, blockIndex);

    /// <summary>Makes a bitset longer, by bits that are not set, or shorter.</summary>
    /// <returns>Address of the new root.</returns>
    /// <exception cref="MetadataCorruptException">A block is missing or damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong Resize(ulong root, uint oldBitCount, uint newBitCount)
    {
        root = _words.Resize(root, WordsFor(oldBitCount), WordsFor(newBitCount), 0);
        if (newBitCount >= oldBitCount || newBitCount % BitsPerWord == 0) return root;

        // The last word would otherwise show its old bits when the bitset grows again.
        ulong kept = (1UL << (int)newBitCount) - 1;
        uint lastWord = newBitCount / BitsPerWord;
        return _words.Set(root, lastWord, _words.Get(root, lastWord) & kept);
    }

    /// <summary>Gives up the caller's reference to a bitset.</summary>
    /// <exception cref="MetadataCorruptException">A node of the index is damaged.</exception>
    public void Delete(ulong root) => _words.Delete(root);

    private static void SetRun(Span<Le64> words, uint begin, uint end)
    {
        for (uint bit = begin; bit < end;)
        {
            uint low = bit % BitsPerWord;
            uint count = Math.Min(end - bit, BitsPerWord - low);
            words[(int)(bit / BitsPerWord)] |= ulong.MaxValue >> (int)(BitsPerWord - count) << (int)low;
            bit += count;
        }
    }

    private static uint WordsFor(uint bitCount) => (uint)(((ulong)bitCount + BitsPerWord - 1) / BitsPerWord);

    private static MetadataCorruptException NoBit(ulong root, uint bit) =>
        new(root, $"bitset has no bit {bit}", MetadataCorruption.Damaged);
}
