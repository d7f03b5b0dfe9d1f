using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>What a tree looks like from outside, and means to make trees that look as one likes.</summary>
internal static class TreeShape
{
    /// <summary>Entries in each child of an internal node, or in a leaf itself.</summary>
    public static int[] Counts(this TestMetadata metadata, ulong root) =>
        [.. metadata.Children(root).DefaultIfEmpty(root).Select(metadata.CountOf)];

    public static ulong[] Children(this TestMetadata metadata, ulong address)
    {
        using ReadBlock block = metadata.Blocks.Read(address, BTreeNodeValidator.Instance);
        ReadNode node = new(block.Data);
        return node.IsLeaf ? [] : [.. node.Children.ToArray().Select(child => child.Value)];
    }

    public static int CountOf(this TestMetadata metadata, ulong address)
    {
        using ReadBlock block = metadata.Blocks.Read(address, BTreeNodeValidator.Instance);
        return new ReadNode(block.Data).Count;
    }

    /// <summary>Makes a leaf of consecutive keys whose values are the keys.</summary>
    public static ulong Leaf(this TestMetadata metadata, ulong firstKey, int count)
    {
        using WriteBlock block = metadata.Transactions.NewBlock(BTreeNodeValidator.Instance);
        WriteNode node = WriteNode.FormatLeaf<Le64>(block.Data);
        for (int i = 0; i < count; i++) node.InsertAt(i, firstKey + (ulong)i, (Le64)(firstKey + (ulong)i));
        return block.Address;
    }

    /// <summary>Makes an internal node over others.</summary>
    public static ulong NodeOver(this TestMetadata metadata, params (ulong Key, ulong Child)[] children)
    {
        using WriteBlock block = metadata.Transactions.NewBlock(BTreeNodeValidator.Instance);
        WriteNode node = WriteNode.FormatInternal(block.Data);
        foreach ((ulong key, ulong child) in children) node.InsertAt(node.Count, key, (Le64)child);
        return block.Address;
    }
}
