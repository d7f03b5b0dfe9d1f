using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.BTrees;

public sealed partial class BTree<TValue>
{
    /// <summary>Removes a key, and gives up what its value keeps alive.</summary>
    /// <returns>Address of the new root.</returns>
    /// <exception cref="KeyNotFoundException">The key is not in the tree: nothing has changed.</exception>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong Remove(ulong root, ulong key)
    {
        if (!TryLookup(root, key, out _)) throw new KeyNotFoundException($"there is no key {key} in the tree");
        using (WriteBlock block = ShadowEntry(ref root, key, Change.Remove, out int index))
        {
            var leaf = new WriteNode(block.Data);
            refCounter.Dec(in leaf.Values<TValue>()[index], 1);
            leaf.RemoveAt(index);
        }

        return DropLevels(root);
    }

    private int ChildWithOneToSpare(WriteNode node, ulong key)
    {
        int index = node.Keys.ChildFor(key);
        if (node.Count == 1 || HasOneToSpare(node.Children[index])) return index;

        int leftIndex = Math.Max(index - 1, 0);
        if (FitInOne(node.Children[leftIndex], node.Children[leftIndex + 1])) Merge(node, leftIndex);
        else EvenOut(node, leftIndex);
        return node.Keys.ChildFor(key);
    }

    private bool HasOneToSpare(ulong address)
    {
        using ReadBlock block = Read(address);
        var node = new ReadNode(block.Data);
        return node.Count > node.MinCount;
    }

    /// <summary>Whether to merge two siblings: evened out, not both would have an entry to spare.</summary>
    private bool FitInOne(ulong leftAddress, ulong rightAddress)
    {
        using ReadBlock leftBlock = Read(leftAddress);
        using ReadBlock rightBlock = Read(rightAddress);
        ReadNode left = new(leftBlock.Data), right = new(rightBlock.Data);
        return left.Count + right.Count < 2 * (left.MinCount + 1);
    }

    /// <summary>
    /// <code>
    ///        [a   c]                   [a]
    ///       /       \      ----->       |
    ///  [a b . .] [c . . .]          [a b c .]
    /// </code>
    /// </summary>
    private void Merge(WriteNode parent, int leftIndex)
    {
        using WriteBlock leftBlock = ShadowChild(parent, leftIndex);
        using WriteBlock rightBlock = ShadowChild(parent, leftIndex + 1);
        CheckSiblings(leftBlock, rightBlock);
        var right = new WriteNode(rightBlock.Data);
        WriteNode.MoveToLeft(new WriteNode(leftBlock.Data), right, right.Count);
        parent.RemoveAt(leftIndex + 1);
        transactions.Dec(rightBlock.Address);
    }

    /// <summary>
    /// Takes away roots with a single child, which then is the root. Both are this transaction's own by now, and the
    /// old root's reference to the child becomes the caller's: so nothing below has to be counted, whoever shared
    /// these nodes before. (The kernel copies the child into the root, and before its fix of 2026 forgot that
    /// what a shared child points at is then pointed at twice.)
    /// <code>
    ///     [a]
    ///      |        ----->
    ///  [a b c .]              [a b c .]
    /// </code>
    /// </summary>
    private ulong DropLevels(ulong root)
    {
        while (TryOnlyChild(root, out ulong child))
        {
            transactions.Dec(root);
            root = child;
        }

        return root;
    }

    private bool TryOnlyChild(ulong address, out ulong child)
    {
        using ReadBlock block = Read(address);
        var node = new ReadNode(block.Data);
        bool isSingle = !node.IsLeaf && node.Count == 1;
        child = isSingle ? node.Children[0] : 0;
        return isSingle;
    }
}
