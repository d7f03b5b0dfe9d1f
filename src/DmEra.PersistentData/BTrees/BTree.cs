using System.Runtime.CompilerServices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Transactions;

namespace DmEra.PersistentData.BTrees;

/// <summary>
/// Copy-on-write B-trees from 64-bit keys to values of a fixed size (kernel: dm-btree.c, trees of one level). The
/// object has no state of its own: every operation takes the address of a root, and those that change the tree
/// return the address of the new root, which takes over the caller's reference to the old one.
/// </summary>
/// <remarks>
/// Every change is one loop down from the root: shadow a node, make the child on the way fit for what is to come
/// (room for one more entry, or one to spare), step into it. So nothing ever has to be carried back up, and the
/// reference counts come out right by themselves: what a shared node points at is counted up when the node is
/// copied, before any of it is followed. An operation that throws leaves a transaction that must be rolled back.
/// Belongs to the thread that owns the metadata.
/// </remarks>
/// <typeparam name="TValue">A packed struct, as it lies in the leaves.</typeparam>
/// <param name="transactions">Where the nodes are.</param>
/// <param name="refCounter">What the values keep alive.</param>
public sealed partial class BTree<TValue>(TransactionManager transactions, IRefCounter<TValue> refCounter)
    where TValue : unmanaged
{
    /// <inheritdoc cref="NodeHeader.MaxDepth"/>
    internal const int MaxDepth = NodeHeader.MaxDepth;

    /// <summary>Makes an empty tree: a leaf without entries.</summary>
    /// <returns>Address of the root. The caller owns the reference.</returns>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong CreateEmpty() => Build(0, []);

    /// <summary>Finds the value of a key.</summary>
    /// <returns>false if the key is not in the tree.</returns>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    public bool TryLookup(ulong root, ulong key, out TValue value)
    {
        using ReadBlock block = ReadLeaf(root, key, out _);
        var leaf = new ReadNode(block.Data);
        int index = leaf.Keys.Find(key);
        value = index >= 0 ? leaf.Values<TValue>()[index] : default;
        return index >= 0;
    }

    /// <summary>Finds the value of a key, and how far it goes on.</summary>
    /// <param name="root">The tree.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">Its value.</param>
    /// <param name="length">How many keys in a row have that value from this one on, as far as they are in one leaf.</param>
    /// <returns>false if the key is not in the tree.</returns>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    public bool TryLookupRun(ulong root, ulong key, out TValue value, out uint length)
    {
        using ReadBlock block = ReadLeaf(root, key, out _);
        var leaf = new ReadNode(block.Data);
        int index = leaf.Keys.Find(key);
        (value, length) = (default, 0);
        if (index < 0) return false;

        value = leaf.Values<TValue>()[index];
        int run = RunLength(leaf.Values<TValue>()[index..]);
        while (leaf.Keys[index + run - 1] - key != (ulong)run - 1) run--;      // a gap in the keys ends it, too
        length = (uint)run;
        return true;
    }

    /// <summary>Finds the lowest key that is not below <paramref name="key"/> (kernel:
    /// <c>dm_btree_lookup_next</c>). Going on behind the key found visits a tree in order.</summary>
    /// <returns>false if there is none.</returns>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    public bool TryLookupNext(ulong root, ulong key, out ulong foundKey, out TValue value)
    {
        ulong from = key;
        do
        {
            using ReadBlock block = ReadLeaf(root, from, out ulong nextLeaf);
            var leaf = new ReadNode(block.Data);
            int index = leaf.Keys.LowerBound(from);
            if (index < 0 || leaf.Keys[index] != from) index++;
            if (index < leaf.Count)
            {
                foundKey = leaf.Keys[index];
                value = leaf.Values<TValue>()[index];
                return true;
            }

            from = nextLeaf;
        }
        while (from != 0);

        foundKey = 0;
        value = default;
        return false;
    }

    /// <summary>Finds the lowest key.</summary>
    /// <returns>false if the tree is empty.</returns>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    public bool TryLowest(ulong root, out ulong key, out TValue value) => TryLookupNext(root, 0, out key, out value);

    /// <summary>Finds the highest key.</summary>
    /// <returns>false if the tree is empty.</returns>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    public bool TryHighest(ulong root, out ulong key)
    {
        using ReadBlock block = ReadLeaf(root, ulong.MaxValue, out _);
        var leaf = new ReadNode(block.Data);
        key = leaf.Count > 0 ? leaf.Keys[^1] : 0;
        return leaf.Count > 0;
    }

    /// <summary>Nodes on a path from the root to a leaf, both included: 1 for a tree that is a leaf and nothing else. A tree with few
    /// entries may have more levels than it needs: it had more entries, or its nodes are half full.</summary>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    public uint Levels(ulong root)
    {
        uint levels = 1;
        // By the last of them, as the end is looked for: damage elsewhere is nobody's who only asks for room.
        for (ulong address = root; TryLastChild(address, out address); levels++)
        {
            if (levels == MaxDepth) throw TooDeep(root);
        }

        return levels;
    }

    /// <summary>All entries in the order of their keys. The tree must not change meanwhile.</summary>
    /// <exception cref="MetadataCorruptException">A node is damaged.</exception>
    public IEnumerable<KeyValuePair<ulong, TValue>> Entries(ulong root)
    {
        ulong from = 0;
        while (TryLookupNext(root, from, out ulong key, out TValue value))
        {
            yield return new(key, value);
            if (key == ulong.MaxValue) yield break;
            from = key + 1;
        }
    }

    /// <summary>Reads the leaf in which <paramref name="key"/> is, if it is anywhere.</summary>
    /// <param name="root">Where to start.</param>
    /// <param name="key">Below all keys of the tree leads to the first leaf.</param>
    /// <param name="nextLeaf">A key that leads to the following leaf; 0 behind the last one.</param>
    private ReadBlock ReadLeaf(ulong root, ulong key, out ulong nextLeaf)
    {
        ulong lowest = 0;
        nextLeaf = 0;
        ReadBlock block = Read(root);
        for (int depth = 1; depth <= MaxDepth; depth++)
        {
            var node = new ReadNode(block.Data);
            if (!node.Keys.LieWithin(lowest, nextLeaf))
            {
                block.Dispose();
                throw Damaged(block.Address, "btree node has keys that its parent says are elsewhere");
            }

            if (node.IsLeaf) return block;

            int index = node.Keys.ChildFor(key);
            lowest = node.Keys[index];
            if (index + 1 < node.Count) nextLeaf = node.Keys[index + 1];
            ulong child = node.Children[index];
            block.Dispose();
            block = Read(child);
        }

        block.Dispose();
        throw TooDeep(root);
    }

    private bool TryLastChild(ulong address, out ulong child)
    {
        using ReadBlock block = Read(address);
        var node = new ReadNode(block.Data);
        child = node.IsLeaf ? 0 : node.Children[^1];
        return !node.IsLeaf;
    }

    /// <summary>How many of these values, from the first on, are equal.</summary>
    private int RunLength(ReadOnlySpan<TValue> values)
    {
        int length = 1;
        while (length < values.Length && refCounter.AreEqual(in values[0], in values[length])) length++;
        return length;
    }

    private ReadBlock Read(ulong address)
    {
        ReadBlock block = transactions.Read(address, BTreeNodeValidator.Instance);
        if (ReadNode.Fits<TValue>(block.Data)) return block;

        block.Dispose();
        throw NotOfThisTree(address);
    }

    private static MetadataCorruptException NotOfThisTree(ulong address) =>
        Damaged(address, $"btree node of a tree whose values are not of {Unsafe.SizeOf<TValue>()} bytes");

    private static MetadataCorruptException TooDeep(ulong root) =>
        Damaged(root, $"btree has a path of more than {MaxDepth} nodes");

    private static MetadataCorruptException Damaged(ulong address, string cause) =>
        new(address, cause, MetadataCorruption.Damaged);
}
