using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.Target.History;

/// <summary>
/// Finds leaves of committed B-trees. It trusts no node: keys must ascend and stay within what the parent says of them,
/// so that a damaged tree, a cyclic one too, ends in an exception and never in a wrong answer or a long walk.
/// </summary>
internal sealed class TreeReader(MetadataReader reader)
{
    // 67 entries in the emptiest node: six levels hold more than 2^32 keys.
    private const int MaxDepth = 8;

    private readonly List<ulong> _path = new(MaxDepth);

    /// <summary>The nodes that the last search stepped on, from the root downwards.</summary>
    public IReadOnlyList<ulong> Path => _path;

    /// <summary>End, exclusive, of the keys that the last node of <see cref="Path"/> is responsible for. When a search
    /// fails, the keys from the one sought up to here are out of reach.</summary>
    public ulong Bound { get; private set; }

    /// <summary>Finds the leaf where <paramref name="key"/> belongs.</summary>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    public Leaf<TValue> FindLeaf<TValue>(ulong root, ulong key)
        where TValue : unmanaged
    {
        ulong lower = 0;
        ulong address = root;
        Bound = ulong.MaxValue;
        _path.Clear();
        while (true)
        {
            _path.Add(address);
            ReadOnlySpan<byte> block = reader.Read(address, BTreeNodeValidator.Instance);
            ref readonly NodeHeader header = ref MemoryMarshal.AsRef<NodeHeader>(block);
            ReadOnlySpan<Le64> keys = Keys(block);
            RequireOrder(address, keys, lower, Bound);
            if ((header.Flags & NodeHeader.LeafNode) != 0) return new Leaf<TValue>(keys, Values<TValue>(address, block));
            if (keys.IsEmpty || _path.Count == MaxDepth)
                throw Damaged(address, keys.IsEmpty ? "an internal node is empty" : "the tree is too deep");

            int child = Math.Max(LastAtMost(keys, key), 0);
            lower = keys[child];
            if (child + 1 < keys.Length) Bound = keys[child + 1];
            address = Values<Le64>(address, block)[child];
        }
    }

    /// <summary>Index of the greatest key that is not above <paramref name="key"/>; -1 when all are above.</summary>
    public static int LastAtMost(ReadOnlySpan<Le64> keys, ulong key)
    {
        int low = 0;
        int high = keys.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (keys[middle] <= key) low = middle + 1;
            else high = middle;
        }

        return low - 1;
    }

    private static ReadOnlySpan<Le64> Keys(ReadOnlySpan<byte> block)
    {
        int count = (int)(uint)MemoryMarshal.AsRef<NodeHeader>(block).NrEntries;
        return MemoryMarshal.Cast<byte, Le64>(block[Unsafe.SizeOf<NodeHeader>()..])[..count];
    }

    private static ReadOnlySpan<TValue> Values<TValue>(ulong address, ReadOnlySpan<byte> block)
        where TValue : unmanaged
    {
        ref readonly NodeHeader header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        if (header.ValueSize != Unsafe.SizeOf<TValue>())
            throw Damaged(address, $"values of {header.ValueSize} bytes, not {Unsafe.SizeOf<TValue>()}");
        int start = Unsafe.SizeOf<NodeHeader>() + ((int)(uint)header.MaxEntries * sizeof(ulong));
        return MemoryMarshal.Cast<byte, TValue>(block[start..])[..(int)(uint)header.NrEntries];
    }

    private void RequireOrder(ulong address, ReadOnlySpan<Le64> keys, ulong lower, ulong bound)
    {
        if (keys.IsEmpty)
        {
            // Only a tree without any entry has an empty node.
            if (_path.Count > 1) throw Damaged(address, "the node is empty");
            return;
        }

        if (keys[0] < lower || keys[^1] >= bound) throw Damaged(address, "keys out of the parent's range");
        for (int i = 1; i < keys.Length; i++)
        {
            if (keys[i] <= keys[i - 1]) throw Damaged(address, "keys out of order");
        }
    }

    private static MetadataCorruptException Damaged(ulong address, string cause) =>
        new(address, $"btree node: {cause}", MetadataCorruption.Damaged);

    /// <summary>The entries of a leaf; valid until the reader reads on.</summary>
    public readonly ref struct Leaf<TValue>(ReadOnlySpan<Le64> keys, ReadOnlySpan<TValue> values)
        where TValue : unmanaged
    {
        /// <summary>The keys, ascending.</summary>
        public ReadOnlySpan<Le64> Keys { get; } = keys;

        /// <summary>The value of each key.</summary>
        public ReadOnlySpan<TValue> Values { get; } = values;
    }
}
