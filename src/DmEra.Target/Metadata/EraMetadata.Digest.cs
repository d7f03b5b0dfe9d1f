using System.Numerics;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;

namespace DmEra.Target.Metadata;

// Digestion: archived writesets go into the era array, the oldest first, so that each block ends with the era that
// wrote it last (kernel: metadata_digest_*). Nothing is lost when a transaction with steps of it is dropped:
// the writeset is still in the tree, and doing it again gives the same.
internal sealed partial class EraMetadata
{
    private const int WordBits = 64;

    // The bits of one array block of the writeset in hand; the era array is changed while they are read.
    private readonly ulong[] _digestWords = new ulong[PersistentBitset.BitsPerBlock / WordBits];
    private ulong _digestEra = ulong.MaxValue;      // the writeset in hand
    private uint _digestBit;                        // what comes next of it: where a block of the era array begins

    /// <summary>Digests one array block of the oldest writeset (32 576 bits, which are 32 blocks of the era array), or
    /// less if room is short; or removes the writeset when all of it is digested.</summary>
    /// <returns>false: there is no archived writeset.</returns>
    public bool DigestStep()
    {
        if (!_writesets.TryLowest(_superblock.WritesetTreeRoot, out ulong era, out WritesetRecord writeset)) return false;
        if (era != _digestEra) (_digestEra, _digestBit) = (era, 0);

        // The origin may have shrunk since: what was cut off is gone.
        uint bits = Math.Min(writeset.NrBits, _superblock.NrBlocks);
        if (_digestBit >= bits)
        {
            _superblock.WritesetTreeRoot = _writesets.Remove(_superblock.WritesetTreeRoot, era);
            return true;
        }

        (uint block, uint begin) = Math.DivRem(_digestBit, PersistentBitset.BitsPerBlock);
        uint first = block * PersistentBitset.BitsPerBlock;
        uint end = Math.Min(bits - first, PersistentBitset.BitsPerBlock);
        ReadDigestWords(writeset.Root, block, end);
        do
        {
            uint next = Math.Min(end, begin + (uint)_eraArray.EntriesPerBlock);
            DigestInto(first + begin, (int)begin, (int)next, (uint)era);
            begin = next;
        }
        while (begin < end && HasRoomToDigest);
        _digestBit = first + begin;
        return true;
    }

    private void ResetDigest() => _digestEra = ulong.MaxValue;

    private void ReadDigestWords(ulong root, uint block, uint bitCount)
    {
        using ReadArrayBlock<Le64> words = _bitsets.ReadBlock(root, block, bitCount);
        for (int i = 0; i < words.Values.Length; i++) _digestWords[i] = words.Values[i];
    }

    /// <summary>Brings the bits that belong to one block of the era array into it.</summary>
    private void DigestInto(uint firstBlock, int begin, int end, uint era)
    {
        int bit = NextBit(begin, end);
        if (bit == end) return;
        uint eraBlock = firstBlock / (uint)_eraArray.EntriesPerBlock;
        ulong root = _superblock.EraArrayRoot;
        using (WriteArrayBlock<Le32> block = _eraArray.WriteBlock(ref root, eraBlock, end - begin))
        {
            Span<Le32> eras = block.Values;
            for (; bit < end; bit = NextBit(bit + 1, end))
            {
                // Metadata restored from a text may know of a later write than its oldest writeset does.
                ref Le32 last = ref eras[bit - begin];
                if (last < era) last = era;
            }
        }

        _superblock.EraArrayRoot = root;
    }

    /// <summary>The first set bit from <paramref name="bit"/> on; <paramref name="end"/> if there is none.</summary>
    private int NextBit(int bit, int end)
    {
        while (bit < end)
        {
            ulong rest = _digestWords[bit / WordBits] >> (bit % WordBits);
            if (rest != 0) return Math.Min(bit + BitOperations.TrailingZeroCount(rest), end);
            bit = (bit | (WordBits - 1)) + 1;
        }

        return end;
    }
}
