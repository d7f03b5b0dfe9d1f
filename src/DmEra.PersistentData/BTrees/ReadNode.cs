using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;

namespace DmEra.PersistentData.BTrees;

/// <summary>
/// A window onto one validated B-tree node; copies nothing. Whatever the values are, they lie at their own stride
/// without alignment behind the keys: <see cref="Children"/> of an internal node, <see cref="Values"/> of a leaf.
/// </summary>
public readonly ref struct ReadNode
{
    private readonly ref readonly NodeHeader _header;
    private readonly ReadOnlySpan<byte> _values;

    /// <summary>Looks at a block that <see cref="BTreeNodeValidator"/> has passed.</summary>
    public ReadNode(ReadOnlySpan<byte> block)
    {
        Block = block;
        _header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        int count = (int)(uint)_header.NrEntries;
        int valuesStart = Unsafe.SizeOf<NodeHeader>() + (Capacity * sizeof(ulong));
        Keys = MemoryMarshal.Cast<byte, Le64>(block.Slice(Unsafe.SizeOf<NodeHeader>(), count * sizeof(ulong)));
        _values = block.Slice(valuesStart, count * (int)(uint)_header.ValueSize);
    }

    /// <summary>All of the node.</summary>
    public ReadOnlySpan<byte> Block { get; }

    /// <summary>Whether its values are those of the tree, and not addresses of nodes.</summary>
    public bool IsLeaf => (_header.Flags & NodeHeader.LeafNode) != 0;

    /// <summary>Entries there is room for.</summary>
    public int Capacity => (int)(uint)_header.MaxEntries;

    /// <summary>Entries.</summary>
    public int Count => Keys.Length;

    /// <summary>The least entries that a node other than the root may have.</summary>
    public int MinCount => Capacity / 3;

    /// <summary>The keys, ascending.</summary>
    public ReadOnlySpan<Le64> Keys { get; }

    /// <summary>Addresses of the nodes below an internal node. The child behind key i covers the keys from that
    /// one up to the next.</summary>
    public ReadOnlySpan<Le64> Children => MemoryMarshal.Cast<byte, Le64>(_values);

    /// <summary>The values of a leaf.</summary>
    public ReadOnlySpan<TValue> Values<TValue>()
        where TValue : unmanaged => MemoryMarshal.Cast<byte, TValue>(_values);

    /// <summary>Its flags.</summary>
    public uint Flags => _header.Flags;

    /// <summary>Flags that are neither "inner node" nor "leaf".</summary>
    public uint UnknownFlags => Flags & ~(NodeHeader.InternalNode | NodeHeader.LeafNode);

    /// <summary>Whether bytes are set that belong to nothing; those between the entries and the end of their room may be.</summary>
    public bool HasStrayBytes
    {
        get
        {
            int end = Unsafe.SizeOf<NodeHeader>() + (Capacity * (sizeof(ulong) + (int)(uint)_header.ValueSize));
            return _header.Padding != 0 || Block[end..].ContainsAnyExcept((byte)0);
        }
    }

    /// <summary>Why a node cannot be searched at its place in a tree; null when it can.</summary>
    /// <param name="valueSize">Bytes of a value in the tree's leaves.</param>
    /// <param name="firstKey">First key that may be in it.</param>
    /// <param name="endKey">Key behind the last one.</param>
    /// <param name="depth">Its level: 1 for the root.</param>
    public string? WhyUnfit(int valueSize, ulong firstKey, ulong endKey, int depth)
    {
        if (!Fits(Block, valueSize)) return $"not one with values of {valueSize} bytes";
        // Only a tree without any entry has an empty node: its root.
        if (Count == 0) return IsLeaf && depth == 1 ? null : "empty";
        if (!IsLeaf && depth == NodeHeader.MaxDepth) return "the tree is too deep";
        return Keys[0] >= firstKey && Keys[^1] < endKey ? null : "keys out of the parent's range";
    }

    /// <summary>Whether a node has the values and the capacity of a tree of <typeparamref name="TValue"/>: others
    /// would be misread, or could not exchange entries with their siblings.</summary>
    public static bool Fits<TValue>(ReadOnlySpan<byte> block)
        where TValue : unmanaged => Fits(block, Unsafe.SizeOf<TValue>());

    private static bool Fits(ReadOnlySpan<byte> block, int leafValueSize)
    {
        ref readonly NodeHeader header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        bool isLeaf = (header.Flags & NodeHeader.LeafNode) != 0;
        int valueSize = isLeaf ? leafValueSize : sizeof(ulong);
        return header.ValueSize == valueSize && header.MaxEntries == NodeHeader.CapacityFor(valueSize);
    }
}
