using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DmEra.Tests.Target;

/// <summary>
/// Era metadata decoded from a plain image, by the tables of docs/on-disk-format.md and with nothing of the code
/// under test. Asserts everything the format promises: checksums, addresses, structure, and that the
/// reference count of every block is the number of pointers to it.
/// </summary>
internal sealed class EraAudit
{
    private const int BlockSize = 4096;
    private const int EntriesPerBitmap = 16320;
    private const uint SuperblockSalt = 146538381;
    private const uint NodeSalt = 121107;
    private const uint ArraySalt = 595846735;
    private const uint IndexSalt = 160478;
    private const uint BitmapSalt = 240779;

    private static readonly uint[] ChecksumTable = MakeChecksumTable();

    private readonly byte[] _image;
    private readonly Dictionary<ulong, uint> _pointers = [];

    private EraAudit(byte[] image, ulong superblockAddress)
    {
        _image = image;
        ReadOnlySpan<byte> superblock = Block(superblockAddress, SuperblockSalt, 8).AsSpan();
        Assert.Equal(2126579579ul, U64(superblock, 32));
        Assert.Equal((1u, 8u), (U32(superblock, 40), U32(superblock, 176)));
        Assert.False(superblock[224..].ContainsAnyExcept((byte)0), "the superblock's tail is not zero");
        Flags = U32(superblock, 4);
        Uuid = new Guid(superblock.Slice(16, 16));
        DataBlockSize = U32(superblock, 172);
        NrBlocks = U32(superblock, 180);
        CurrentEra = U32(superblock, 184);
        OpenWriteset = (U32(superblock, 188), U64(superblock, 192));
        WritesetTreeRoot = U64(superblock, 200);
        EraArrayRoot = U64(superblock, 208);
        SnapshotAddress = U64(superblock, 216);
    }

    public uint Flags { get; }

    public Guid Uuid { get; }

    public uint DataBlockSize { get; }

    public uint NrBlocks { get; }

    public uint CurrentEra { get; }

    public (uint NrBits, ulong Root) OpenWriteset { get; }

    public ulong WritesetTreeRoot { get; }

    public ulong EraArrayRoot { get; }

    public ulong SnapshotAddress { get; }

    /// <summary>Archived writesets, in the order of their eras.</summary>
    public SortedDictionary<uint, bool[]> Writesets { get; } = [];

    /// <summary>The bits of the open era; null when it was archived.</summary>
    public bool[]? OpenBits { get; private set; }

    /// <summary>The era array alone.</summary>
    public uint[] EraArray { get; private set; } = [];

    /// <summary>What the metadata snapshot holds; null when there is none.</summary>
    public EraAudit? Snapshot { get; private set; }

    /// <summary>Metadata blocks with a count other than 0.</summary>
    public int UsedBlocks { get; private set; }

    /// <summary>Metadata blocks that the space map manages.</summary>
    public int TotalBlocks { get; private set; }

    /// <summary>Decodes and checks a whole device.</summary>
    public static EraAudit Read(byte[] image)
    {
        EraAudit audit = new(image, 0);
        audit.ReadTrees();
        if (audit.OpenWriteset.Root != 0)
            audit.OpenBits = audit.ReadBits(audit.OpenWriteset.Root, audit.OpenWriteset.NrBits);
        if (audit.SnapshotAddress != 0)
        {
            audit.Snapshot = new EraAudit(image, audit.SnapshotAddress);
            audit.Snapshot.ReadTrees();
        }

        audit.CheckCounts();
        return audit;
    }

    /// <summary>The era in which each block was last written, by the rule of the format.</summary>
    public uint[] LastWritten()
    {
        uint[] eras = [.. EraArray];
        foreach ((uint era, bool[] bits) in Writesets) Merge(era, bits);
        if (OpenBits != null) Merge(CurrentEra, OpenBits);
        return eras;

        void Merge(uint era, bool[] bits)
        {
            for (int block = 0; block < Math.Min(bits.Length, eras.Length); block++)
            {
                if (bits[block]) eras[block] = era;
            }
        }
    }

    /// <summary>Asserts when each block was last written.</summary>
    public void AssertLastWritten(ReadOnlySpan<uint> expected)
    {
        uint[] actual = LastWritten();
        Assert.Equal(expected.Length, actual.Length);
        int same = expected.CommonPrefixLength(actual);
        if (same < actual.Length)
            Assert.Fail($"block {same} was last written in era {expected[same]}, but the metadata says {actual[same]}");
    }

    private void ReadTrees()
    {
        foreach ((ulong era, byte[] value) in ReadTree(WritesetTreeRoot, 12))
        {
            Assert.InRange(era, 1ul, CurrentEra);
            Assert.NotEqual(0ul, U64(value, 4));
            Writesets.Add((uint)era, ReadBits(U64(value, 4), U32(value, 0)));
        }

        EraArray = MemoryMarshal.Cast<byte, uint>(ReadArray(EraArrayRoot, 4, NrBlocks)).ToArray();
        Assert.True(EraArray.Length == 0 || EraArray.Max() <= CurrentEra, "an era is yet to come");
    }

    private bool[] ReadBits(ulong root, uint count)
    {
        byte[] words = ReadArray(root, 8, (count + 63) / 64);
        bool[] bits = new bool[words.Length * 8];
        for (int bit = 0; bit < bits.Length; bit++) bits[bit] = ((words[bit / 8] >> (bit % 8)) & 1) != 0;
        Assert.False(bits.AsSpan((int)count).Contains(true), "a bit behind the end of a writeset is set");
        return bits[..(int)count];
    }

    private byte[] ReadArray(ulong root, int valueSize, uint count)
    {
        int perBlock = (BlockSize - 24) / valueSize;
        List<(ulong Key, byte[] Value)> index = ReadTree(root, 8);
        Assert.Equal((int)((count + perBlock - 1) / perBlock), index.Count);
        byte[] values = new byte[count * valueSize];
        for (int k = 0; k < index.Count; k++)
        {
            Assert.Equal((ulong)k, index[k].Key);
            byte[] block = Block(U64(index[k].Value, 0), ArraySalt, 16);
            int used = (int)Math.Min(count - (k * perBlock), perBlock);
            Assert.Equal(((uint)perBlock, (uint)used, (uint)valueSize), (U32(block, 4), U32(block, 8), U32(block, 12)));
            block.AsSpan(24, used * valueSize).CopyTo(values.AsSpan(k * perBlock * valueSize));
        }

        return values;
    }

    private List<(ulong Key, byte[] Value)> ReadTree(ulong root, int valueSize)
    {
        List<(ulong Key, byte[] Value)> entries = [];
        Visit(root, isRoot: true, 0, ulong.MaxValue);
        return entries;

        int Visit(ulong address, bool isRoot, ulong from, ulong to)
        {
            Node node = ReadNode(address, valueSize);
            Assert.InRange(node.Entries.Count, isRoot ? 0 : node.Capacity / 3, node.Capacity);
            int below = 0;
            for (int i = 0; i < node.Entries.Count; i++)
            {
                (ulong key, byte[] value) = node.Entries[i];
                ulong next = i + 1 < node.Entries.Count ? node.Entries[i + 1].Key : to;
                Assert.True(key >= from && key < next, $"node {address}: key {key} is out of order");
                int depth = 0;
                if (node.IsLeaf) entries.Add((key, value));
                else depth = Visit(U64(value, 0), isRoot: false, key, next);
                Assert.Equal(i == 0 ? depth : below, depth);
                below = depth;
            }

            return below + 1;
        }
    }

    private Node ReadNode(ulong address, int valueSize)
    {
        byte[] block = Block(address, NodeSalt, 8);
        bool isLeaf = U32(block, 4) == 2;
        int size = isLeaf ? valueSize : 8;
        int capacity = (BlockSize - 32) / (8 + size) / 3 * 3;
        Assert.Equal(
            (isLeaf ? 2u : 1u, (uint)capacity, (uint)size), (U32(block, 4), U32(block, 20), U32(block, 24)));
        Assert.InRange((int)U32(block, 16), 0, capacity);
        List<(ulong Key, byte[] Value)> entries = [];
        for (int i = 0; i < U32(block, 16); i++)
        {
            int value = 32 + (8 * capacity) + (i * size);
            entries.Add((U64(block, 32 + (8 * i)), block[value..(value + size)]));
        }

        return new Node(isLeaf, capacity, entries);
    }

    private void CheckCounts()
    {
        ReadOnlySpan<byte> root = _image.AsSpan(44, 128);
        uint[] counts = ReadSpaceMap(root);
        Point(0);
        CountTree(WritesetTreeRoot, 12);
        CountTree(EraArrayRoot, 8);
        if (OpenWriteset.Root != 0) CountTree(OpenWriteset.Root, 8);
        if (Snapshot != null)
        {
            Point(SnapshotAddress);
            CountTree(Snapshot.WritesetTreeRoot, 12);
            CountTree(Snapshot.EraArrayRoot, 8);
        }

        for (ulong block = 0; block < (ulong)counts.Length; block++)
        {
            uint expected = _pointers.GetValueOrDefault(block);
            if (counts[block] != expected)
                Assert.Fail($"block {block} has {expected} pointers, but its count is {counts[block]}");
        }

        TotalBlocks = counts.Length;
        UsedBlocks = counts.Count(count => count > 0);
        Assert.Equal(U64(root, 8), (ulong)UsedBlocks);
    }

    // What a block points at counts once, however often the block itself is pointed at.
    private void CountTree(ulong root, int valueSize)
    {
        if (!Point(root)) return;
        Node node = ReadNode(root, valueSize);
        foreach ((_, byte[] value) in node.Entries)
        {
            if (!node.IsLeaf) CountTree(U64(value, 0), valueSize);
            else if (valueSize == 12) CountTree(U64(value, 4), 8);
            else if (valueSize == 8) Point(U64(value, 0));
        }
    }

    private bool Point(ulong block)
    {
        _pointers[block] = _pointers.GetValueOrDefault(block) + 1;
        return _pointers[block] == 1;
    }

    private uint[] ReadSpaceMap(ReadOnlySpan<byte> root)
    {
        Assert.False(root[32..].ContainsAnyExcept((byte)0));
        uint[] counts = new uint[U64(root, 0)];
        Assert.InRange(counts.Length, 1, _image.Length / BlockSize);
        Point(U64(root, 16));
        byte[] index = Block(U64(root, 16), IndexSalt, 8);
        CountTree(U64(root, 24), 4);
        Dictionary<ulong, uint> large = ReadTree(U64(root, 24), 4).ToDictionary(entry => entry.Key, entry => U32(entry.Value, 0));
        Assert.All(large.Values, count => Assert.True(count >= 3));
        for (int first = 0; first < counts.Length; first += EntriesPerBitmap)
        {
            int entry = 16 + (first / EntriesPerBitmap * 16);
            Point(U64(index, entry));
            byte[] bitmap = Block(U64(index, entry), BitmapSalt, 8);
            int used = 0;
            for (int k = 0; k < EntriesPerBitmap; k++)
            {
                int low = (bitmap[16 + (k / 4)] >> (k % 4 * 2)) & 1;
                int high = (bitmap[16 + (k / 4)] >> ((k % 4 * 2) + 1)) & 1;
                uint count = (uint)((low * 2) + high);
                if (first + k >= counts.Length)
                {
                    Assert.Equal(0u, count);
                    continue;
                }

                Assert.Equal(count == 3, large.Remove((ulong)(first + k), out uint many));
                counts[first + k] = count == 3 ? many : count;
                if (count != 0) used++;
                else Assert.True(k >= U32(index, entry + 12), $"block {first + k} is free, before none_free_before");
            }

            int entries = Math.Min(EntriesPerBitmap, counts.Length - first);
            Assert.Contains((int)U32(index, entry + 8), new[] { EntriesPerBitmap - used, entries - used });
        }

        Assert.Empty(large);
        return counts;
    }

    private byte[] Block(ulong address, uint salt, int addressOffset)
    {
        byte[] block = _image[(int)(address * BlockSize)..(int)((address + 1) * BlockSize)];
        Assert.Equal(address, U64(block, addressOffset));
        uint crc = uint.MaxValue;
        foreach (byte value in block.AsSpan(4)) crc = ChecksumTable[(byte)(crc ^ value)] ^ (crc >> 8);
        Assert.Equal(crc ^ salt, U32(block, 0));
        return block;
    }

    private static uint[] MakeChecksumTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
            table[i] = crc;
        }

        return table;
    }

    private static uint U32(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);

    private sealed record Node(bool IsLeaf, int Capacity, List<(ulong Key, byte[] Value)> Entries);
}
