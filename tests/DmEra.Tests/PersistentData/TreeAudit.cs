using System.Buffers.Binary;

namespace DmEra.Tests.PersistentData;

/// <summary>
/// Reads trees and arrays from a plain image of the device, by the tables of docs/on-disk-format.md and with
/// nothing of the code under test. Asserts the structure of every node, and counts the pointers to every block.
/// </summary>
internal sealed class TreeAudit(byte[] image)
{
    private const int BlockSize = 4096;

    private readonly Dictionary<ulong, uint> _pointers = [];

    public uint PointersTo(ulong block) => _pointers.GetValueOrDefault(block);

    /// <summary>Counts a pointer.</summary>
    /// <returns>true if it is the first one to this block.</returns>
    public bool Pointer(ulong block)
    {
        _pointers[block] = PointersTo(block) + 1;
        return PointersTo(block) == 1;
    }

    /// <summary>Walks a tree from a pointer to its root.</summary>
    /// <param name="root">The root.</param>
    /// <param name="valueSize">Bytes in a value.</param>
    /// <param name="onValue">Follows a value's own pointers; called once for each leaf the value is stored in.</param>
    /// <returns>The entries in order.</returns>
    public List<(ulong Key, byte[] Value)> Tree(ulong root, int valueSize, Action<byte[]>? onValue = null)
    {
        TreeWalk walk = new(valueSize, onValue ?? (_ => { }), []);
        Node(walk, root, isRoot: true, isFirstVisit: Pointer(root), from: 0, to: UInt128.One << 64);
        return walk.Entries;
    }

    /// <summary>Walks an array from a pointer to the root of its index.</summary>
    /// <returns>The bytes of its values.</returns>
    public byte[] Array(ulong root, int valueSize, int count)
    {
        int perBlock = (BlockSize - 24) / valueSize;
        List<(ulong Key, byte[] Value)> index = Tree(root, 8, value => Pointer(U64(value, 0)));
        Assert.Equal((count + perBlock - 1) / perBlock, index.Count);
        byte[] values = new byte[count * valueSize];
        for (int k = 0; k < index.Count; k++)
        {
            ulong address = U64(index[k].Value, 0);
            ReadOnlySpan<byte> block = Block(address);
            int used = Math.Min(count - (k * perBlock), perBlock);
            Assert.Equal((ulong)k, index[k].Key);
            Assert.Equal(((uint)perBlock, (uint)used, (uint)valueSize), (U32(block, 4), U32(block, 8), U32(block, 12)));
            Assert.Equal(address, U64(block, 16));
            AssertZero(block[(24 + (used * valueSize))..]);
            block.Slice(24, used * valueSize).CopyTo(values.AsSpan(k * perBlock * valueSize));
        }

        return values;
    }

    /// <summary>Walks a node and what is below it; its keys must lie in a range.</summary>
    /// <returns>Levels from here down to the leaves, which are the same on every path.</returns>
    private int Node(TreeWalk walk, ulong address, bool isRoot, bool isFirstVisit, UInt128 from, UInt128 to)
    {
        byte[] node = Block(address).ToArray();
        bool isLeaf = U32(node, 4) == 2;
        int valueSize = isLeaf ? walk.ValueSize : 8;
        int capacity = (BlockSize - 32) / (8 + valueSize) / 3 * 3;
        int valuesStart = 32 + (8 * capacity);
        int count = (int)U32(node, 16);
        Assert.Equal(isLeaf ? 2u : 1u, U32(node, 4));
        Assert.Equal(address, U64(node, 8));
        Assert.InRange(count, isRoot ? (isLeaf ? 0 : 1) : capacity / 3, capacity);
        Assert.Equal(((uint)capacity, (uint)valueSize), (U32(node, 20), U32(node, 24)));
        AssertZero(node.AsSpan((32 + (8 * count))..valuesStart));
        AssertZero(node.AsSpan(valuesStart + (valueSize * count)));

        int below = 0;
        for (int i = 0; i < count; i++)
        {
            UInt128 key = U64(node, 32 + (8 * i));
            UInt128 next = i + 1 < count ? U64(node, 40 + (8 * i)) : to;
            if (key < from || key >= next) Assert.Fail($"node {address}: key {i} is {key}, not in {from}..{next}");
            byte[] value = node.AsSpan(valuesStart + (i * valueSize), valueSize).ToArray();
            if (isLeaf)
            {
                walk.Entries.Add(((ulong)key, value));
                if (isFirstVisit) walk.OnValue(value);
            }
            else
            {
                ulong child = U64(value, 0);
                int depth = Node(walk, child, isRoot: false, isFirstVisit && Pointer(child), key, next);
                Assert.Equal(i == 0 ? depth : below, depth);
                below = depth;
            }
        }

        return below + 1;
    }

    private ReadOnlySpan<byte> Block(ulong address) => image.AsSpan((int)address * BlockSize, BlockSize);

    private static void AssertZero(ReadOnlySpan<byte> unused) => Assert.False(unused.ContainsAnyExcept((byte)0));

    private static uint U32(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);

    private sealed record TreeWalk(int ValueSize, Action<byte[]> OnValue, List<(ulong Key, byte[] Value)> Entries);
}
