using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.BTrees;

public sealed partial class BTree<TValue>
{
    /// <summary>A sibling with fewer free entries is no help to a full node: it would be full itself soon.</summary>
    private const int WorthwhileFree = 8;

    /// <summary>Inserts a key, or overwrites its value. The tree takes over the caller's reference to what the new
    /// value keeps alive, and gives up what the old one kept alive; if the two are equal, no count changes.</summary>
    /// <returns>Address of the new root.</returns>
    /// <exception cref="MetadataCorruptException">A node on the way is damaged.</exception>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong Insert(ulong root, ulong key, in TValue value)
    {
        if (!HasRoom(root, key)) root = AddLevel(root);
        using WriteBlock block = ShadowLeaf(ref root, key, Change.Insert);
        var leaf = new WriteNode(block.Data);
        int index = leaf.Keys.LowerBound(key);
        if (index < 0 || leaf.Keys[index] != key)
        {
            leaf.InsertAt(index + 1, key, in value);
            return root;
        }

        ref TValue stored = ref leaf.Values<TValue>()[index];
        if (!refCounter.AreEqual(in stored, in value)) refCounter.Dec(in stored, 1);
        stored = value;
        return root;
    }

    /// <summary>
    /// Puts a node over a full root, which can then be split like any other node.
    /// <code>
    ///                            [a]
    ///                 ----->      |
    ///  [a b c d]              [a b c d]
    /// </code>
    /// </summary>
    private ulong AddLevel(ulong root)
    {
        using ReadBlock below = Read(root);
        using WriteBlock above = transactions.NewBlock(BTreeNodeValidator.Instance);
        WriteNode.FormatInternal(above.Data).InsertAt(0, new ReadNode(below.Data).Keys[0], (Le64)root);
        return above.Address;
    }

    private int ChildWithRoom(WriteNode node, ulong key)
    {
        if (key < node.Keys[0]) node.Keys[0] = key;
        int index = node.Keys.ChildFor(key);
        if (HasRoom(node.Children[index], key)) return index;

        MakeRoom(node, index);
        return node.Keys.ChildFor(key);
    }

    private bool HasRoom(ulong address, ulong key)
    {
        using ReadBlock block = Read(address);
        var node = new ReadNode(block.Data);
        return node.Count < node.Capacity || (node.IsLeaf && node.Keys.Find(key) >= 0);
    }

    /// <summary>
    /// Makes room for one entry in a full child; the keys in the parent then tell where it is. Entries go to a
    /// sibling if one has room; else two full ones are split into three, which leaves them fuller than a split into
    /// halves would. At either end of the parent the child is split by itself: keys inserted in order always arrive
    /// there. A shared sibling is left alone, since it would have to be copied first.
    /// </summary>
    private void MakeRoom(WriteNode parent, int index)
    {
        Sibling left = Judge(parent, index - 1);
        if (left == Sibling.Roomy)
        {
            EvenOut(parent, index - 1);
            return;
        }

        Sibling right = Judge(parent, index + 1);
        if (right == Sibling.Roomy) EvenOut(parent, index);
        else if (left == Sibling.Full && right == Sibling.Full) SplitTwoIntoThree(parent, index - 1);
        else SplitOneIntoTwo(parent, index);
    }

    private Sibling Judge(WriteNode parent, int index)
    {
        if (index < 0 || index >= parent.Count) return Sibling.Absent;
        ulong address = parent.Children[index];
        if (transactions.Count(address) > 1) return Sibling.Shared;

        using ReadBlock block = Read(address);
        var node = new ReadNode(block.Data);
        return node.Capacity - node.Count >= WorthwhileFree ? Sibling.Roomy : Sibling.Full;
    }

    /// <summary>
    /// <code>
    ///     [a]                   [a   c]
    ///      |         ----->    /       \
    ///  [a b c d]          [a b . .] [c d . .]
    /// </code>
    /// </summary>
    private void SplitOneIntoTwo(WriteNode parent, int index)
    {
        using WriteBlock leftBlock = ShadowChild(parent, index);
        using WriteBlock rightBlock = transactions.NewBlock(BTreeNodeValidator.Instance);
        var left = new WriteNode(leftBlock.Data);
        WriteNode right = left.FormatSibling(rightBlock.Data);
        WriteNode.RedistributeTwo(left, right);
        parent.InsertAt(index + 1, right.Keys[0], (Le64)rightBlock.Address);
    }

    /// <summary>
    /// <code>
    ///       [a   e]                     [a   c   f]
    ///      /       \       ----->      /      |      \
    /// [a b c d] [e f g h]       [a b . .] [c d e .] [f g h .]
    /// </code>
    /// </summary>
    private void SplitTwoIntoThree(WriteNode parent, int leftIndex)
    {
        using WriteBlock leftBlock = ShadowChild(parent, leftIndex);
        using WriteBlock rightBlock = ShadowChild(parent, leftIndex + 1);
        using WriteBlock middleBlock = transactions.NewBlock(BTreeNodeValidator.Instance);
        CheckSiblings(leftBlock, rightBlock);
        WriteNode left = new(leftBlock.Data), right = new(rightBlock.Data);
        WriteNode middle = left.FormatSibling(middleBlock.Data);
        WriteNode.FillMiddle(left, middle, right);
        parent.Keys[leftIndex + 1] = right.Keys[0];
        parent.InsertAt(leftIndex + 1, middle.Keys[0], (Le64)middleBlock.Address);
    }

    /// <summary>What the neighbour of a full node can do for it.</summary>
    private enum Sibling
    {
        Absent,
        Shared,
        Full,
        Roomy,
    }
}
