using System.Runtime.CompilerServices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.Target.History;

/// <summary>
/// Finds leaves of committed B-trees. It trusts no node: keys must stay within what the parent says of them,
/// so that a damaged tree, a cyclic one too, ends in an exception and never in a wrong answer or a long walk.
/// </summary>
internal sealed class TreeReader(MetadataReader reader)
{
    /// <summary>Most levels a tree may have: with 67 entries in the emptiest node, six hold more than 2^32 keys.</summary>
    public const int MaxDepth = 8;

    private readonly List<ulong> _path = new(MaxDepth);

    /// <summary>The nodes that the last search stepped on, from the root downwards.</summary>
    public IReadOnlyList<ulong> Path => _path;

    /// <summary>End, exclusive, of the keys that the last node of <see cref="Path"/> is responsible for. When a search
    /// fails, the keys from the one sought up to here are out of reach.</summary>
    public ulong Bound { get; private set; }

    /// <summary>Finds the leaf where <paramref name="key"/> belongs; valid until the reader reads on.</summary>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    public ReadNode FindLeaf<TValue>(ulong root, ulong key)
        where TValue : unmanaged
    {
        ulong lower = 0;
        ulong address = root;
        Bound = ulong.MaxValue;
        _path.Clear();
        while (true)
        {
            _path.Add(address);
            ReadNode node = ReadWhole<TValue>(address, lower);
            if (node.IsLeaf) return node;
            if (_path.Count == MaxDepth) throw Damaged(address, "the tree is too deep");
            int child = node.Keys.ChildFor(key);
            lower = node.Keys[child];
            if (child + 1 < node.Count) Bound = node.Keys[child + 1];
            address = node.Children[child];
        }
    }

    private ReadNode ReadWhole<TValue>(ulong address, ulong lower)
        where TValue : unmanaged
    {
        ReadOnlySpan<byte> block = reader.Read(address, BTreeNodeValidator.Instance);
        ReadNode node = new(block);
        if (!ReadNode.Fits<TValue>(block)) throw Damaged(address, $"not one with values of {Unsafe.SizeOf<TValue>()} bytes");
        if (node.Count == 0)
        {
            // Only a tree without any entry has an empty node: its root.
            if (_path.Count > 1) throw Damaged(address, "empty");
            return node;
        }

        if (node.Keys[0] < lower || node.Keys[^1] >= Bound) throw Damaged(address, "keys out of the parent's range");
        return node;
    }

    private static MetadataCorruptException Damaged(ulong address, string cause) =>
        new(address, $"btree node: {cause}", MetadataCorruption.Damaged);
}
