using static DmEra.Fuzz.Content.MetadataFormat;

namespace DmEra.Fuzz.Content;

/// <summary>
/// Reads era metadata of any size, by the tables of docs/on-disk-format.md and with nothing of the code under test. Counts all
/// references anew, and takes nothing that is not exact: checksums, addresses, order and filling of nodes, free counts. A block of
/// an array is read once, however many entries of an index name it.
/// </summary>
internal sealed class ContentReader
{
    private readonly Stream _device;
    private readonly byte[] _block = new byte[BlockSize];
    private readonly Dictionary<ulong, uint> _pointers = [];
    private readonly Dictionary<ulong, Leaf> _leaves = [];

    private ContentReader(Stream device)
    {
        _device = device;
        Content = Read(0);
        CountAll();
    }

    /// <summary>What it says.</summary>
    public EraContent Content { get; }

    /// <summary>Metadata blocks in use.</summary>
    public ulong UsedBlocks { get; private set; }

    /// <summary>Metadata blocks that the space map manages.</summary>
    public ulong TotalBlocks { get; private set; }

    /// <summary>The highest count of references to any block.</summary>
    public uint MostReferences => _pointers.Values.Max();

    /// <summary>Reads a whole device.</summary>
    /// <exception cref="InvalidDataException">Anything is wrong.</exception>
    public static ContentReader Read(Stream device) => new(device);

    /// <summary>Reads a metadata file.</summary>
    /// <exception cref="InvalidDataException">Anything is wrong.</exception>
    public static ContentReader Read(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, BlockSize);
        return new ContentReader(file);
    }

    /// <summary>How many entries the root of the writeset tree has, of metadata that may be in use; at least 1 while that changes.</summary>
    public static uint PendingWritesets(Stream device)
    {
        byte[] block = new byte[BlockSize];
        device.ReadExactly(block);
        device.Position = (long)U64(block, 200) * BlockSize;
        device.ReadExactly(block);
        return Checksum(block, NodeSalt) == U32(block, 0) ? U32(block, 16) : uint.MaxValue;
    }

    private EraContent Read(ulong address)
    {
        byte[] superblock = Block(address, SuperblockSalt).ToArray();
        Require(U64(superblock, 32) == Magic && U32(superblock, 40) == 1, "no superblock of era metadata");
        uint nrBlocks = U32(superblock, 180);
        SortedDictionary<uint, EraRuns> archived = [];
        foreach ((ulong era, byte[] value) in Entries(U64(superblock, 200), WritesetSize))
            archived.Add((uint)era, Bitset(U64(value, 4), U32(value, 0)));
        EraRuns eras = Array(U64(superblock, 208), nrBlocks, EraSize, PerBlock(EraSize));
        bool isSnapshot = address != 0;
        ulong open = isSnapshot ? 0 : U64(superblock, 192);
        ulong snapshot = U64(superblock, 216);
        return new EraContent(U32(superblock, 184), eras)
        {
            Archived = archived,
            Open = open == 0 ? null : Bitset(open, U32(superblock, 188)),
            Snapshot = snapshot == 0 ? null : Read(snapshot),
        };
    }

    private EraRuns Bitset(ulong root, uint nrBits) => Array(root, nrBits, WordSize, PerBlock(WordSize) * 64);

    // A block of an array is a list of runs that differ from 0, from the array block's begin on.
    private EraRuns Array(ulong root, uint length, int valueSize, int perLeaf)
    {
        EraRuns all = new(length);
        long begin = 0;
        long leaves = (length + (long)perLeaf - 1) / perLeaf;
        foreach ((ulong key, byte[] value) in Entries(root, WordSize))
        {
            Require(key == (ulong)(begin / perLeaf), $"array {root}: block {begin / perLeaf} is missing");
            // Linux leaves a last block behind that an array which became shorter does not need any more.
            if ((long)key == leaves) break;
            int count = (int)Math.Min(perLeaf, length - begin);
            int values = valueSize == WordSize ? (count + 63) / 64 : count;
            Leaf leaf = LeafAt(U64(value, 0));
            Require(
                leaf.Count == values && leaf.ValueSize == valueSize,
                $"array block {U64(value, 0)} has {leaf.Count} values of {leaf.ValueSize} bytes, not {values} of {valueSize}");
            foreach ((uint from, uint to, uint number) in leaf.Runs)
                all.Append((uint)(begin + from), (uint)Math.Min(begin + to, length), number);
            begin += perLeaf;
        }

        Require(begin >= length, $"array {root} ends at {begin} of {length}");
        return all;
    }

    private Leaf LeafAt(ulong address)
    {
        if (!_leaves.TryGetValue(address, out Leaf? leaf)) _leaves.Add(address, leaf = ReadLeaf(address));
        return leaf;
    }

    private Leaf ReadLeaf(ulong address)
    {
        ReadOnlySpan<byte> block = Block(address, ArraySalt);
        uint valueSize = U32(block, 12);
        uint count = U32(block, 8);
        Require(
            valueSize is EraSize or WordSize && U32(block, 4) == PerBlock((int)valueSize) && count <= U32(block, 4),
            $"array block {address} has {count} values of {valueSize} bytes");
        int bytes = (int)(count * valueSize);
        List<(uint Begin, uint End, uint Value)> runs = [];
        if (valueSize == EraSize)
        {
            for (int i = 0; i < bytes / EraSize; i++) Add((uint)i, U32(block, ArrayHeader + (i * EraSize)));
        }
        else
        {
            for (int i = 0; i < bytes * 8; i++) Add((uint)i, (uint)(block[ArrayHeader + (i / 8)] >> (i % 8)) & 1);
        }

        return new Leaf(valueSize, count, runs);

        void Add(uint at, uint value)
        {
            if (value == 0) return;
            if (runs.Count > 0 && runs[^1].End == at && runs[^1].Value == value) runs[^1] = (runs[^1].Begin, at + 1, value);
            else runs.Add((at, at + 1, value));
        }
    }

    private List<(ulong Key, byte[] Value)> Entries(ulong root, int valueSize)
    {
        List<(ulong Key, byte[] Value)> entries = [];
        Visit(root, isRoot: true, 0, UInt128.One << 64);
        return entries;

        int Visit(ulong address, bool isRoot, UInt128 from, UInt128 to)
        {
            List<(ulong Key, byte[] Value)> node = Node(address, valueSize, isRoot, out bool isLeaf);
            int below = 0;
            for (int i = 0; i < node.Count; i++)
            {
                (ulong key, byte[] value) = node[i];
                UInt128 next = i + 1 < node.Count ? node[i + 1].Key : to;
                Require(key >= from && key < next, $"node {address}: key {key} is out of order");
                int depth = 0;
                if (isLeaf) entries.Add((key, value));
                else depth = Visit(U64(value, 0), isRoot: false, key, next);
                Require(i == 0 || depth == below, $"node {address}: paths differ in length");
                below = depth;
            }

            return below + 1;
        }
    }

    private List<(ulong Key, byte[] Value)> Node(ulong address, int valueSize, bool isRoot, out bool isLeaf)
    {
        ReadOnlySpan<byte> block = Block(address, NodeSalt);
        isLeaf = U32(block, 4) == 2;
        int size = isLeaf ? valueSize : WordSize;
        int capacity = Capacity(size);
        uint count = U32(block, 16);
        Require(
            (isLeaf || U32(block, 4) == 1) && U32(block, 20) == capacity && U32(block, 24) == size
                && count <= capacity && (isRoot || count >= capacity / 3),
            $"node {address} is not of this tree, or has too few entries ({count})");
        List<(ulong Key, byte[] Value)> entries = [];
        for (int i = 0; i < count; i++)
            entries.Add((U64(block, NodeHeader + (8 * i)), block.Slice(NodeHeader + (8 * capacity) + (i * size), size).ToArray()));
        return entries;
    }

    private void CountAll()
    {
        byte[] superblock = Block(0, SuperblockSalt).ToArray();
        Point(0);
        CountTrees(superblock);
        if (U64(superblock, 192) is not 0 and ulong open) Count(open, WordSize);
        if (U64(superblock, 216) is not 0 and ulong snapshot && Point(snapshot)) CountTrees(Block(snapshot, SuperblockSalt).ToArray());

        TotalBlocks = U64(superblock, 44);
        ulong index = U64(superblock, 60);
        Point(index);
        Count(U64(superblock, 68), CountSize);
        byte[] bitmaps = Block(index, IndexSalt).ToArray();
        for (ulong first = 0; first < TotalBlocks; first += EntriesPerBitmap)
            Point(U64(bitmaps, 16 + ((int)(first / EntriesPerBitmap) * 16)));

        Dictionary<ulong, uint> many = Entries(U64(superblock, 68), CountSize)
            .ToDictionary(entry => entry.Key, entry => U32(entry.Value, 0));
        Require(many.Values.All(count => count >= 3), "the overflow tree has a count below 3");
        for (ulong first = 0; first < TotalBlocks; first += EntriesPerBitmap) CompareBitmap(bitmaps, first, many);
        Require(many.Count == 0, $"the overflow tree counts {many.Count} blocks that the bitmaps do not");
        Require(U64(superblock, 52) == UsedBlocks, $"{U64(superblock, 52)} blocks are said to be allocated, not {UsedBlocks}");
        Require((ulong)_pointers.Count == UsedBlocks, $"{_pointers.Count} blocks are pointed at, {UsedBlocks} counted");
    }

    private void CountTrees(byte[] superblock)
    {
        Count(U64(superblock, 200), WritesetSize);
        Count(U64(superblock, 208), WordSize);
    }

    // What a block points at counts once, however often the block itself is pointed at.
    private void Count(ulong root, int valueSize)
    {
        if (!Point(root)) return;
        foreach ((_, byte[] value) in Node(root, valueSize, isRoot: true, out bool isLeaf))
        {
            if (!isLeaf) Count(U64(value, 0), valueSize);
            else if (valueSize == WritesetSize) Count(U64(value, 4), WordSize);
            else if (valueSize == WordSize) Point(U64(value, 0));
        }
    }

    private void CompareBitmap(byte[] index, ulong first, Dictionary<ulong, uint> many)
    {
        int entry = 16 + ((int)(first / EntriesPerBitmap) * 16);
        byte[] bitmap = Block(U64(index, entry), BitmapSalt).ToArray();
        uint entries = (uint)Math.Min(EntriesPerBitmap, TotalBlocks - first);
        uint used = 0;
        for (uint k = 0; k < EntriesPerBitmap; k++)
        {
            int bits = bitmap[16 + (k / 4)] >> (int)(k % 4 * 2);
            uint count = (uint)(((bits & 1) << 1) | ((bits >> 1) & 1));
            ulong block = first + k;
            if (count == 3) Require(many.Remove(block, out count), $"block {block} has 3 references or more: how many is not told");
            uint pointers = _pointers.GetValueOrDefault(block);
            Require(count == pointers, $"block {block} has {pointers} pointers, but its count is {count}");
            Require(count == 0 || k < entries, $"block {block} is in use, but there is no such block");
            Require(count != 0 || k >= entries || k >= U32(index, entry + 12), $"block {block} is free, before none_free_before");
            if (count != 0) used++;
        }

        uint free = U32(index, entry + 8);
        Require(
            free == EntriesPerBitmap - used || free == entries - used,
            $"bitmap of block {first}: {free} are said to be free, {used} are in use");
        UsedBlocks += used;
    }

    private bool Point(ulong block)
    {
        _pointers[block] = _pointers.GetValueOrDefault(block) + 1;
        return _pointers[block] == 1;
    }

    // The span holds until the next block is read.
    private ReadOnlySpan<byte> Block(ulong address, uint salt)
    {
        Require(address < (ulong)_device.Length / BlockSize, $"there is no block {address}");
        _device.Position = (long)address * BlockSize;
        _device.ReadExactly(_block);
        Require(U64(_block, AddressOffset(salt)) == address, $"block {address} says that it is another");
        Require(U32(_block, 0) == Checksum(_block, salt), $"block {address}: bad checksum");
        return _block;
    }

    private static void Require(bool isSo, string otherwise)
    {
        if (!isSo) throw new InvalidDataException(otherwise);
    }

    private sealed record Leaf(uint ValueSize, uint Count, List<(uint Begin, uint End, uint Value)> Runs);
}
