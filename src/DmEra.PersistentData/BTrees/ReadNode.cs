using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;

namespace DmEra.PersistentData.BTrees;

/// <summary>
/// A window onto one validated B-tree node; copies nothing. Whatever the values are, they lie at their own stride
/// without alignment behind the keys: <see cref="Children"/> of an internal node, <see cref="Values"/> of a leaf.
/// </summary>
internal readonly ref struct ReadNode
{
    private readonly ref readonly NodeHeader _header;
    private readonly ReadOnlySpan<byte> _values;

    /// <summary>Looks at a block that <see cref="BTreeNodeValidator"/> has passed.</summary>
    public ReadNode(ReadOnlySpan<byte> block)
    {
        _header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        int count = (int)(uint)_header.NrEntries;
        int valuesStart = Unsafe.SizeOf<NodeHeader>() + (Capacity * sizeof(ulong));
        Keys = MemoryMarshal.Cast<byte, Le64>(block.Slice(Unsafe.SizeOf<NodeHeader>(), count * sizeof(ulong)));
        _values = block.Slice(valuesStart, count * (int)(uint)_header.ValueSize);
    }

    public bool IsLeaf => (_header.Flags & NodeHeader.LeafNode) != 0;

    public int Capacity => (int)(uint)_header.MaxEntries;

    public int Count => Keys.Length;

    /// <summary>The least entries that a node other than the root may have.</summary>
    public int MinCount => Capacity / 3;

    public ReadOnlySpan<Le64> Keys { get; }

    /// <summary>Addresses of the nodes below an internal node. The child behind key i covers the keys from that
    /// one up to the next.</summary>
    public ReadOnlySpan<Le64> Children => MemoryMarshal.Cast<byte, Le64>(_values);

    /// <summary>The values of a leaf.</summary>
    public ReadOnlySpan<TValue> Values<TValue>()
        where TValue : unmanaged => MemoryMarshal.Cast<byte, TValue>(_values);

    /// <summary>Whether a node has the values and the capacity of a tree of <typeparamref name="TValue"/>: others
    /// would be misread, or could not exchange entries with their siblings.</summary>
    public static bool Fits<TValue>(ReadOnlySpan<byte> block)
        where TValue : unmanaged
    {
        ref readonly NodeHeader header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        bool isLeaf = (header.Flags & NodeHeader.LeafNode) != 0;
        int valueSize = isLeaf ? Unsafe.SizeOf<TValue>() : sizeof(ulong);
        return header.ValueSize == valueSize && header.MaxEntries == NodeHeader.CapacityFor(valueSize);
    }
}
