using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.BTrees;

public sealed partial class BTree<TValue>
{
    /// <summary>Gets the leaf with an entry, for changing the value in place: counting what it keeps alive is up to
    /// the caller.</summary>
    /// <param name="root">Moves if the leaf does.</param>
    /// <param name="key">The entry's key.</param>
    /// <param name="index">Which one of the leaf's it is.</param>
    /// <exception cref="MetadataCorruptException">There is no such key, or a node on the way is damaged.</exception>
    internal WriteBlock ShadowEntry(ref ulong root, ulong key, out int index) =>
        ShadowEntry(ref root, key, Change.Update, out index);

    private WriteBlock ShadowEntry(ref ulong root, ulong key, Change change, out int index)
    {
        WriteBlock block = ShadowLeaf(ref root, key, change);
        index = new WriteNode(block.Data).Keys.Find(key);
        if (index >= 0) return block;

        block.Dispose();
        throw Damaged(root, $"btree has no key {key}");
    }

    /// <summary>The loop down the spine: shadows every node on the way to a key, each one's pointer in its parent
    /// following it.</summary>
    private WriteBlock ShadowLeaf(ref ulong root, ulong key, Change change)
    {
        WriteBlock block = Shadow(root);
        try
        {
            root = block.Address;
            for (int depth = 1; depth <= MaxDepth; depth++)
            {
                var node = new WriteNode(block.Data);
                if (node.IsLeaf) return block;

                int index = change switch
                {
                    Change.Insert => ChildWithRoom(node, key),
                    Change.Remove => ChildWithOneToSpare(node, key),
                    _ => node.Keys.ChildFor(key),
                };
                WriteBlock child = ShadowChild(node, index);
                block.Dispose();
                block = child;
            }

            throw TooDeep(root);
        }
        catch
        {
            block.Dispose();
            throw;
        }
    }

    private WriteBlock ShadowChild(WriteNode parent, int index)
    {
        WriteBlock child = Shadow(parent.Children[index]);
        parent.Children[index] = child.Address;
        return child;
    }

    private WriteBlock Shadow(ulong address)
    {
        WriteBlock block = transactions.Shadow(address, BTreeNodeValidator.Instance, out bool incChildren);
        try
        {
            if (!ReadNode.Fits<TValue>(block.Data)) throw NotOfThisTree(address);
            if (incChildren) IncChildren(new ReadNode(block.Data));
            return block;
        }
        catch
        {
            block.Dispose();
            throw;
        }
    }

    /// <summary>The node is now there twice, and so is every reference that it holds.</summary>
    private void IncChildren(ReadNode node)
    {
        if (node.IsLeaf)
        {
            for (ReadOnlySpan<TValue> left = node.Values<TValue>(); !left.IsEmpty;)
            {
                int run = RunLength(left);
                refCounter.Inc(in left[0], (uint)run);
                left = left[run..];
            }
        }
        else
        {
            foreach (ulong child in node.Children) transactions.Inc(child);
        }
    }

    /// <summary>
    /// Evens out two neighbours.
    /// <code>
    ///        [a   b]                    [a   c]
    ///       /       \      ----->      /       \
    ///  [a . . .] [b c d .]        [a b . .] [c d . .]
    /// </code>
    /// </summary>
    private void EvenOut(WriteNode parent, int leftIndex)
    {
        using WriteBlock leftBlock = ShadowChild(parent, leftIndex);
        using WriteBlock rightBlock = ShadowChild(parent, leftIndex + 1);
        WriteNode left = new(leftBlock.Data), right = new(rightBlock.Data);
        CheckSiblings(leftBlock, rightBlock);
        WriteNode.RedistributeTwo(left, right);
        parent.Keys[leftIndex + 1] = right.Keys[0];
    }

    /// <summary>Entries can go from one node to the next only if both are at the same depth and in order.</summary>
    private static void CheckSiblings(WriteBlock leftBlock, WriteBlock rightBlock)
    {
        ReadNode left = new(leftBlock.Data), right = new(rightBlock.Data);
        bool areInOrder = left.Count == 0 || right.Count == 0 || left.Keys[^1] < right.Keys[0];
        if (left.IsLeaf != right.IsLeaf || !areInOrder)
            throw Damaged(rightBlock.Address, $"btree node is no right sibling of node {leftBlock.Address}");
    }

    /// <summary>What is about to happen to an entry, and so what the nodes on the way must be fit for.</summary>
    private enum Change
    {
        Insert,
        Update,
        Remove,
    }
}
