using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;

namespace DmEra.PersistentData.BTrees;

/// <summary>
/// A window onto a B-tree node that belongs to the running transaction. Entries are moved as bytes, so that internal
/// nodes and leaves of any value go the same way. Bytes behind the last entry are kept zero.
/// </summary>
internal readonly ref struct WriteNode
{
    private readonly ref NodeHeader _header;
    private readonly Span<Le64> _keys;      // all of the capacity, used or not
    private readonly Span<byte> _values;    // likewise

    /// <summary>Looks at a block that <see cref="BTreeNodeValidator"/> has passed.</summary>
    public WriteNode(Span<byte> block)
    {
        _header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        int valuesStart = Unsafe.SizeOf<NodeHeader>() + (Capacity * sizeof(ulong));
        _keys = MemoryMarshal.Cast<byte, Le64>(block[Unsafe.SizeOf<NodeHeader>()..valuesStart]);
        _values = block.Slice(valuesStart, Capacity * ValueSize);
    }

    public bool IsLeaf => (_header.Flags & NodeHeader.LeafNode) != 0;

    public int Capacity => (int)(uint)_header.MaxEntries;

    public int Count => (int)(uint)_header.NrEntries;

    public int ValueSize => (int)(uint)_header.ValueSize;

    public Span<Le64> Keys => _keys[..Count];

    /// <summary>Addresses of the nodes below an internal node.</summary>
    public Span<Le64> Children => Values<Le64>();

    /// <summary>The values of a leaf.</summary>
    public Span<TValue> Values<TValue>()
        where TValue : unmanaged => MemoryMarshal.Cast<byte, TValue>(_values)[..Count];

    /// <summary>Makes a zeroed block an empty leaf.</summary>
    public static WriteNode FormatLeaf<TValue>(Span<byte> block)
        where TValue : unmanaged => Format(block, NodeHeader.LeafNode, Unsafe.SizeOf<TValue>());

    /// <summary>Makes a zeroed block an internal node, as yet without the children it must get.</summary>
    public static WriteNode FormatInternal(Span<byte> block) =>
        Format(block, NodeHeader.InternalNode, sizeof(ulong));

    /// <summary>Makes a zeroed block an empty node of the same kind as this one.</summary>
    public WriteNode FormatSibling(Span<byte> block) =>
        Format(block, IsLeaf ? NodeHeader.LeafNode : NodeHeader.InternalNode, ValueSize);

    /// <summary>Inserts an entry at <paramref name="index"/>; there must be room.</summary>
    public void InsertAt<TValue>(int index, ulong key, in TValue value)
        where TValue : unmanaged
    {
        int count = Count;
        Debug.Assert(count < Capacity && Unsafe.SizeOf<TValue>() == ValueSize, "no room, or another tree's value");
        CopyEntries(this, index, this, index + 1, count - index);
        SetCount(count + 1);
        Keys[index] = key;
        Values<TValue>()[index] = value;
    }

    /// <summary>Removes the entry at <paramref name="index"/>.</summary>
    public void RemoveAt(int index)
    {
        CopyEntries(this, index + 1, this, index, Count - index - 1);
        SetCount(Count - 1);
    }

    /// <summary>
    /// Moves the first entries of the right sibling to the end of the left one.
    /// <code>
    ///   [a b . .] [c d e f]   --2-->   [a b c d] [e f . .]
    /// </code>
    /// </summary>
    public static void MoveToLeft(WriteNode left, WriteNode right, int count)
    {
        int remaining = right.Count - count;
        CopyEntries(right, 0, left, left.Count, count);
        CopyEntries(right, count, right, 0, remaining);
        left.SetCount(left.Count + count);
        right.SetCount(remaining);
    }

    /// <summary>
    /// Moves the last entries of the left sibling to the front of the right one.
    /// <code>
    ///   [a b c d] [e f . .]   --2-->   [a b . .] [c d e f]
    /// </code>
    /// </summary>
    public static void MoveToRight(WriteNode left, WriteNode right, int count)
    {
        int remaining = left.Count - count;
        CopyEntries(right, 0, right, count, right.Count);
        CopyEntries(left, remaining, right, 0, count);
        right.SetCount(right.Count + count);
        left.SetCount(remaining);
    }

    /// <summary>
    /// Evens out two siblings; of an odd total the right one gets one more.
    /// <code>
    ///   [a . . .] [b c d e]   ----->   [a b . .] [c d e .]
    /// </code>
    /// </summary>
    public static void RedistributeTwo(WriteNode left, WriteNode right)
    {
        int target = (left.Count + right.Count) / 2;
        if (left.Count < target) MoveToLeft(left, right, target - left.Count);
        else MoveToRight(left, right, left.Count - target);
    }

    /// <summary>
    /// Fills an empty node from the two siblings it lies between, each of which holds more than a third.
    /// <code>
    ///   [a b c d] [. . . .] [e f g h]   ----->   [a b . .] [c d e .] [f g h .]
    /// </code>
    /// </summary>
    public static void FillMiddle(WriteNode left, WriteNode middle, WriteNode right)
    {
        int total = left.Count + right.Count;
        int leftTarget = total / 3;
        int middleTarget = (total - leftTarget) / 2;
        MoveToRight(left, middle, left.Count - leftTarget);
        MoveToLeft(middle, right, middleTarget - middle.Count);
    }

    /// <summary>Changes the number of entries; those that are gained are to be filled in.</summary>
    public void SetCount(int count)
    {
        int freed = Math.Max(Count - count, 0);
        _keys.Slice(count, freed).Clear();
        _values.Slice(count * ValueSize, freed * ValueSize).Clear();
        _header.NrEntries = (uint)count;
    }

    private static WriteNode Format(Span<byte> block, uint kind, int valueSize)
    {
        ref NodeHeader header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        header.Flags = kind;
        header.MaxEntries = (uint)NodeHeader.CapacityFor(valueSize);
        header.ValueSize = (uint)valueSize;
        return new WriteNode(block);
    }

    private static void CopyEntries(WriteNode from, int fromIndex, WriteNode to, int toIndex, int count)
    {
        int size = from.ValueSize;
        from._keys.Slice(fromIndex, count).CopyTo(to._keys[toIndex..]);
        from._values.Slice(fromIndex * size, count * size).CopyTo(to._values[(toIndex * size)..]);
    }
}
