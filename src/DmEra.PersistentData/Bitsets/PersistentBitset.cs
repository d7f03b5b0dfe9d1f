using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Transactions;

namespace DmEra.PersistentData.Bitsets;

/// <summary>
/// Copy-on-write bitsets: arrays of 64-bit words, bit b in word b / 64, counted from the word's lowest bit (kernel:
/// dm-bitset.c). The object has no state of its own, not even the one word that the kernel's caches: bits are set
/// in their array block at once. Roots and lengths are handled as in <see cref="PersistentArray{TValue}"/>.
/// </summary>
/// <param name="transactions">Where the blocks are.</param>
public sealed class PersistentBitset(TransactionManager transactions)
{
    /// <summary>Bits in a word.</summary>
    public const uint BitsPerWord = 64;

    /// <summary>Bits in every array block but the last.</summary>
    public const uint BitsPerBlock = (BlockManager.BlockSize - ArrayBlockHeader.Size) / sizeof(ulong) * BitsPerWord;

    /// <summary>Words that so many bits lie in.</summary>
    public static uint WordsFor(uint bitCount) => (uint)(((ulong)bitCount + BitsPerWord - 1) / BitsPerWord);

    private readonly PersistentArray<Le64> _words = new(transactions);

    /// <summary>Makes a bitset with no bit set.</summary>
    /// <param name="bitCount">Its length. It never changes.</param>
    /// <returns>Address of the root. The caller owns the reference.</returns>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong CreateEmpty(uint bitCount) => _words.Create(WordsFor(bitCount), 0);

    /// <summary>How many metadata blocks <see cref="CreateEmpty"/> allocates.</summary>
    public ulong BlocksToCreate(uint bitCount) => _words.BlocksToCreate(WordsFor(bitCount));

    /// <summary>Whether a bit is set.</summary>
    /// <exception cref="MetadataCorruptException">There is no such bit, or a block is damaged.</exception>
    public bool Test(ulong root, uint bit) => ((_words.Get(root, bit / BitsPerWord) >> (int)bit) & 1) != 0;

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
            uint whole = first == 0 ? (end - bit) / BitsPerBlock : 0;
            if (whole > 0)
            {
                root = _words.Fill(root, blockIndex, blockIndex + whole, ulong.MaxValue);
                bit += whole * BitsPerBlock;
                continue;
            }

            uint count = Math.Min(end - bit, BitsPerBlock - first);
            using WriteArrayBlock<Le64> block = _words.WriteBlock(ref root, blockIndex, (int)WordsFor(first + count));
            BlockBits.SetRun(MemoryMarshal.Cast<Le64, ulong>(block.Values), (int)first, (int)(first + count));
            bit += count;
        }

        return root;
    }

    /// <inheritdoc cref="PersistentArray{TValue}.RunLength"/>
    public uint RunLength(ulong root, uint blockIndex) => _words.RunLength(root, blockIndex);

    /// <summary>Reads the words from bit <paramref name="blockIndex"/> * <see cref="BitsPerBlock"/> on.</summary>
    /// <param name="root">The bitset.</param>
    /// <param name="blockIndex">Number of the array block in the bitset.</param>
    /// <param name="bitCount">How many bits are needed; they must be there. Bits behind them in the last word may be
    /// anything.</param>
    /// <returns>To be disposed before the bitset changes.</returns>
    /// <exception cref="MetadataCorruptException">There are no such bits, or a block is damaged.</exception>
    public ReadArrayBlock<Le64> ReadBlock(ulong root, uint blockIndex, uint bitCount) =>
        _words.ReadBlock(root, blockIndex, (int)WordsFor(bitCount));

    /// <summary>Gives up the caller's reference to a bitset.</summary>
    /// <exception cref="MetadataCorruptException">A node of the index is damaged.</exception>
    public void Delete(ulong root) => _words.Delete(root);
}
