using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;

namespace DmEra.Target.Metadata;

// Digestion: archived writesets go into the era array, the oldest first, so that each block ends with the era that
// wrote it last (kernel: metadata_digest_*). Nothing is lost when a transaction with steps of it is dropped:
// the writeset is still in the tree, and doing it again gives the same.
internal sealed partial class EraMetadata
{
    // The bits of one array block of the writeset in hand; the era array is changed while they are read.
    private readonly ulong[] _digestWords = new ulong[PersistentBitset.BitsPerBlock / PersistentBitset.BitsPerWord];
    private ulong _digestEra = ulong.MaxValue;      // the writeset in hand
    private uint _digestBit;                        // what comes next of it: where a block of the era array begins

    private uint BlocksPerLeaf => (uint)_eraArray.EntriesPerBlock;

    /// <summary>Digests one array block of the oldest writeset (32 576 bits, which are 32 blocks of the era array), or
    /// less if room is short; passes over array blocks without bits that are one and the same; or removes the writeset when all
    /// of it is digested.</summary>
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
        if (NextBit(true, 0, end) == end)
        {
            _digestBit = BehindRun(writeset.Root, block, bits);
            return true;
        }

        do begin = DigestFrom(first, begin, end, (uint)era);
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

    /// <summary>Where the bits begin that are in another array block than these; the last, shorter block is looked at by
    /// itself.</summary>
    private uint BehindRun(ulong root, uint block, uint bits)
    {
        uint full = bits / PersistentBitset.BitsPerBlock;
        if (block >= full) return bits;
        return (block + Math.Min(_bitsets.RunLength(root, block), full - block)) * PersistentBitset.BitsPerBlock;
    }

    /// <summary>Brings bits into the era array: of blocks of it that are marked throughout as many as follow one another, else of
    /// one.</summary>
    /// <param name="firstBlock">The origin block of bit 0.</param>
    /// <param name="begin">The first bit, where a block of the era array begins.</param>
    /// <param name="end">The bit behind the last one.</param>
    /// <param name="era">The era.</param>
    /// <returns>The bit to go on from.</returns>
    private uint DigestFrom(uint firstBlock, uint begin, uint end, uint era)
    {
        uint bit = NextBit(true, begin, end);
        if (bit == end) return end;
        begin = bit - (bit % BlocksPerLeaf);
        uint leaf = (firstBlock + begin) / BlocksPerLeaf;
        uint marked = CountOlder(leaf, (NextBit(false, begin, end) - begin) / BlocksPerLeaf, era);
        if (marked > 0)
        {
            _superblock.EraArrayRoot = _eraArray.Fill(_superblock.EraArrayRoot, leaf, leaf + marked, era);
            return begin + (marked * BlocksPerLeaf);
        }

        uint next = Math.Min(end, begin + BlocksPerLeaf);
        DigestInto(leaf, bit, begin, next, era);
        return next;
    }

    /// <summary>How many of so many blocks of the era array know of no write later than an era. Metadata restored from a text may
    /// know of a later one than its oldest writeset does.</summary>
    private uint CountOlder(uint firstLeaf, uint count, uint era)
    {
        uint older = 0;
        while (older < count)
        {
            uint run = _eraArray.RunLength(_superblock.EraArrayRoot, firstLeaf + older);
            using ReadArrayBlock<Le32> block =
                _eraArray.ReadBlock(_superblock.EraArrayRoot, firstLeaf + older, _eraArray.EntriesPerBlock);
            if (BlockBits.AnyAbove(MemoryMarshal.Cast<Le32, uint>(block.Values), era)) break;
            older += Math.Min(run, count - older);
        }

        return older;
    }

    /// <summary>Brings the bits that belong to one block of the era array into it.</summary>
    private void DigestInto(uint leaf, uint bit, uint begin, uint end, uint era)
    {
        ulong root = _superblock.EraArrayRoot;
        using (WriteArrayBlock<Le32> block = _eraArray.WriteBlock(ref root, leaf, (int)(end - begin)))
        {
            Span<Le32> eras = block.Values;
            for (; bit < end; bit = NextBit(true, bit + 1, end))
            {
                ref Le32 last = ref eras[(int)(bit - begin)];
                if (last < era) last = era;
            }
        }

        _superblock.EraArrayRoot = root;
    }

    private uint NextBit(bool isSet, uint from, uint end) => (uint)BlockBits.Next(_digestWords, isSet, (int)from, (int)end);
}
