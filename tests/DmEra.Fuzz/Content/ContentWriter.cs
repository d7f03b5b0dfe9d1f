using static DmEra.Fuzz.Content.MetadataFormat;

namespace DmEra.Fuzz.Content;

/// <summary>
/// Makes era metadata that says something, with one block for all blocks of arrays that are equal, or with a block for each.
/// Nodes of trees are packed, but for the last two of a level. Nothing here is the product's.
/// </summary>
internal sealed class ContentWriter
{
    private readonly Dictionary<ulong, byte[]> _blocks = [];
    private readonly Dictionary<ulong, uint> _counts = [];
    private readonly Dictionary<(int ValueSize, int Count, ulong Value), ulong> _uniform = [];
    private readonly Dictionary<string, ulong> _mixed = new(StringComparer.Ordinal);
    private readonly bool _isShared;
    private ulong _next;

    private ContentWriter(bool isShared) => _isShared = isShared;

    /// <summary>Makes metadata.</summary>
    /// <param name="content">What it says.</param>
    /// <param name="isShared">One block for equal ones.</param>
    /// <param name="spareBlocks">Metadata blocks that stay free.</param>
    /// <param name="dataBlockSectors">Size of a block of the device.</param>
    public static SparseImage Write(EraContent content, bool isShared, ulong spareBlocks, uint dataBlockSectors)
    {
        ContentWriter writer = new(isShared);
        writer.Allocate();      // the superblock
        (ulong writesets, ulong eras) = writer.Trees(content);
        ulong open = content.Open is null ? 0 : writer.Bitset(content.Open);
        ulong snapshot = 0;
        if (content.Snapshot is EraContent held)
        {
            (ulong heldWritesets, ulong heldEras) = writer.Trees(held, content, (writesets, eras));
            snapshot = writer.Allocate();
            byte[] copy = Superblock(held, dataBlockSectors, open: 0, heldWritesets, heldEras, snapshot: 0);
            writer.Put(snapshot, copy, SuperblockSalt);
        }

        byte[] superblock = Superblock(content, dataBlockSectors, open, writesets, eras, snapshot);
        ulong total = writer.SpaceMap(superblock, spareBlocks);
        writer.Put(0, superblock, SuperblockSalt);
        return new SparseImage(writer._blocks, total);
    }

    private static byte[] Superblock(EraContent content, uint dataBlockSectors, ulong open, ulong writesets, ulong eras, ulong snapshot)
    {
        byte[] block = new byte[BlockSize];
        Put64(block, 32, Magic);
        Put32(block, 40, 1);
        Put32(block, 172, dataBlockSectors);
        Put32(block, 176, 8);
        Put32(block, 180, content.NrBlocks);
        Put32(block, 184, content.CurrentEra);
        Put32(block, 188, content.NrBlocks);
        Put64(block, 192, open);
        Put64(block, 200, writesets);
        Put64(block, 208, eras);
        Put64(block, 216, snapshot);
        return block;
    }

    // What a snapshot has in common with the live state is one tree, as when it has just been taken.
    private (ulong Writesets, ulong Eras) Trees(
        EraContent content, EraContent? live = null, (ulong Writesets, ulong Eras) liveTrees = default)
    {
        ulong writesets = ReferenceEquals(content.Archived, live?.Archived) ? Share(liveTrees.Writesets) : Tree(
            [.. content.Archived.Select(entry => ((ulong)entry.Key, Writeset(entry.Value)))], WritesetSize);
        ulong eras = ReferenceEquals(content.EraArray, live?.EraArray) ? Share(liveTrees.Eras) : EraArray(content.EraArray);
        return (writesets, eras);
    }

    private ulong EraArray(EraRuns eras) => Tree(
        [.. Leaves(eras.Length, PerBlock(EraSize)).Select(leaf => (leaf.Index, Number(EraLeaf(eras, leaf.Begin, leaf.End))))],
        WordSize);

    private byte[] Writeset(EraRuns marked)
    {
        byte[] value = new byte[WritesetSize];
        Put32(value, 0, marked.Length);
        Put64(value, 4, Bitset(marked));
        return value;
    }

    private ulong Bitset(EraRuns marked) => Tree(
        [.. Leaves(marked.Length, PerBlock(WordSize) * 64)
            .Select(leaf => (leaf.Index, Number(BitLeaf(marked, leaf.Begin, leaf.End))))],
        WordSize);

    private static IEnumerable<(ulong Index, uint Begin, uint End)> Leaves(uint length, int perLeaf)
    {
        for (long begin = 0; begin < length; begin += perLeaf)
            yield return ((ulong)(begin / perLeaf), (uint)begin, (uint)Math.Min(begin + perLeaf, length));
    }

    private ulong EraLeaf(EraRuns eras, uint begin, uint end)
    {
        (uint _, uint pieceEnd, uint era) = eras.Pieces(begin, end).First();
        int count = (int)(end - begin);
        if (pieceEnd == end) return Uniform(EraSize, count, era);
        byte[] values = new byte[count * EraSize];
        foreach ((uint from, uint to, uint value) in eras.Pieces(begin, end))
        {
            for (uint block = from; block < to; block++) Put32(values, (int)(block - begin) * EraSize, value);
        }

        return Mixed(EraSize, values);
    }

    private ulong BitLeaf(EraRuns marked, uint begin, uint end)
    {
        (uint _, uint pieceEnd, uint isMarked) = marked.Pieces(begin, end).First();
        int words = (int)(end - begin + 63) / 64;
        if (pieceEnd == end && (isMarked == 0 || (end - begin) % 64 == 0))
            return Uniform(WordSize, words, isMarked == 0 ? 0 : ulong.MaxValue);
        byte[] values = new byte[words * WordSize];
        foreach ((uint from, uint to, _) in marked.Pieces(begin, end).Where(piece => piece.Era != 0))
        {
            for (uint block = from - begin; block < to - begin; block++) values[block / 8] |= (byte)(1 << (int)(block % 8));
        }

        return Mixed(WordSize, values);
    }

    private ulong Uniform(int valueSize, int count, ulong value)
    {
        if (_isShared && _uniform.TryGetValue((valueSize, count, value), out ulong known)) return Share(known);
        byte[] values = new byte[count * valueSize];
        for (int i = 0; i < count; i++)
        {
            if (valueSize == EraSize) Put32(values, i * valueSize, (uint)value);
            else Put64(values, i * valueSize, value);
        }

        return _uniform[(valueSize, count, value)] = ArrayBlock(valueSize, values);
    }

    private ulong Mixed(int valueSize, byte[] values)
    {
        string key = $"{valueSize}:{Convert.ToBase64String(values)}";
        if (_isShared && _mixed.TryGetValue(key, out ulong known)) return Share(known);
        return _mixed[key] = ArrayBlock(valueSize, values);
    }

    private ulong ArrayBlock(int valueSize, byte[] values)
    {
        byte[] block = new byte[BlockSize];
        Put32(block, 4, (uint)PerBlock(valueSize));
        Put32(block, 8, (uint)(values.Length / valueSize));
        Put32(block, 12, (uint)valueSize);
        values.CopyTo(block, ArrayHeader);
        return Put(Allocate(), block, ArraySalt);
    }

    /// <summary>A tree, from its leaves up.</summary>
    private ulong Tree(List<(ulong Key, byte[] Value)> entries, int valueSize, bool isLeaf = true)
    {
        int capacity = Capacity(valueSize);
        List<(ulong Key, byte[] Value)> nodes = [];
        for (int done = 0; done < entries.Count || nodes.Count == 0;)
        {
            int left = entries.Count - done;
            int take = left > 2 * capacity ? capacity : left > capacity ? (left + 1) / 2 : left;
            byte[] node = new byte[BlockSize];
            Put32(node, 4, isLeaf ? 2u : 1u);
            Put32(node, 16, (uint)take);
            Put32(node, 20, (uint)capacity);
            Put32(node, 24, (uint)valueSize);
            for (int i = 0; i < take; i++)
            {
                Put64(node, NodeHeader + (8 * i), entries[done + i].Key);
                entries[done + i].Value.CopyTo(node, NodeHeader + (8 * capacity) + (valueSize * i));
            }

            nodes.Add((take == 0 ? 0 : entries[done].Key, Number(Put(Allocate(), node, NodeSalt))));
            done += take;
        }

        return nodes.Count == 1 ? U64(nodes[0].Value, 0) : Tree(nodes, WordSize, isLeaf: false);
    }

    /// <summary>Counts everything, and so must come last.</summary>
    private ulong SpaceMap(byte[] superblock, ulong spareBlocks)
    {
        byte[] index = new byte[BlockSize];
        ulong indexAddress = Allocate();
        ulong overflow = Tree(
            [.. _counts.Where(entry => entry.Value >= 3).OrderBy(entry => entry.Key)
                .Select(entry => (entry.Key, Number32(entry.Value)))],
            CountSize);
        ulong bitmaps = 0;
        while (bitmaps * EntriesPerBitmap < _next + bitmaps + spareBlocks) bitmaps++;
        ulong first = _next;
        for (ulong i = 0; i < bitmaps; i++) Allocate();
        for (ulong i = 0; i < bitmaps; i++)
        {
            byte[] bitmap = new byte[BlockSize];
            uint used = (uint)Math.Clamp((long)_next - ((long)i * EntriesPerBitmap), 0, EntriesPerBitmap);
            for (uint k = 0; k < used; k++)
            {
                uint count = Math.Min(_counts[(i * EntriesPerBitmap) + k], 3);
                bitmap[16 + (k / 4)] |= (byte)(((count >> 1) | ((count & 1) << 1)) << (int)(k % 4 * 2));
            }

            Put(first + i, bitmap, BitmapSalt);
            Put64(index, 16 + ((int)i * 16), first + i);
            Put32(index, 24 + ((int)i * 16), EntriesPerBitmap - used);
            Put32(index, 28 + ((int)i * 16), used);
        }

        Put(indexAddress, index, IndexSalt);
        Put64(superblock, 44, _next + spareBlocks);
        Put64(superblock, 52, _next);
        Put64(superblock, 60, indexAddress);
        Put64(superblock, 68, overflow);
        return _next + spareBlocks;
    }

    private ulong Allocate()
    {
        _counts[_next] = 1;
        return _next++;
    }

    private ulong Share(ulong address)
    {
        _counts[address]++;
        return address;
    }

    private ulong Put(ulong address, byte[] block, uint salt)
    {
        Put64(block, AddressOffset(salt), address);
        Put32(block, 0, Checksum(block, salt));
        _blocks[address] = block;
        return address;
    }

    private static byte[] Number(ulong value)
    {
        byte[] bytes = new byte[8];
        Put64(bytes, 0, value);
        return bytes;
    }

    private static byte[] Number32(uint value)
    {
        byte[] bytes = new byte[4];
        Put32(bytes, 0, value);
        return bytes;
    }
}
