using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>Nodes are told from other blocks by their header and the order of their keys.</summary>
public sealed class BTreeNodeValidatorTests
{
    private const ulong Address = 5;

    [Theory, InlineData(NodeHeader.LeafNode, 8, 254), InlineData(NodeHeader.InternalNode, 8, 252), InlineData(NodeHeader.LeafNode, 0, 508)]
    public void Node_may_fill_its_block_to_the_last_byte(uint flags, uint valueSize, uint maxEntries) =>
        BTreeNodeValidator.Instance.Check(Address, Node(flags, valueSize, maxEntries, 1, 2, 3));

    [Theory]
    [InlineData(NodeHeader.LeafNode, 8, 255, "max_entries is too large")]
    [InlineData(NodeHeader.LeafNode, 8, 2, "nr_entries is greater than max_entries")]
    [InlineData(NodeHeader.InternalNode, 4, 252, "wrong value size in an internal node")]
    [InlineData(0, 8, 252, "neither an internal node nor a leaf")]
    public void Header_that_no_node_has_is_refused(uint flags, uint valueSize, uint maxEntries, string cause) =>
        AssertRefused(cause, Node(flags, valueSize, maxEntries, 1, 2, 3));

    [Fact]
    public void Keys_must_ascend()
    {
        AssertRefused("keys are not in ascending order", Node(NodeHeader.LeafNode, 8, 252, 1, 3, 2));
        AssertRefused("keys are not in ascending order", Node(NodeHeader.LeafNode, 8, 252, 1, 2, 2));
    }

    [Fact]
    public void Internal_node_has_children_and_a_leaf_may_be_empty()
    {
        BTreeNodeValidator.Instance.Check(Address, Node(NodeHeader.LeafNode, 8, 252));
        AssertRefused("internal node without children", Node(NodeHeader.InternalNode, 8, 252));
    }

    private static byte[] Node(uint flags, uint valueSize, uint maxEntries, params ulong[] keys)
    {
        byte[] block = new byte[BlockManager.BlockSize];
        ref NodeHeader header = ref MemoryMarshal.AsRef<NodeHeader>(block.AsSpan());
        header.Flags = flags;
        header.ValueSize = valueSize;
        header.MaxEntries = maxEntries;
        header.NrEntries = (uint)keys.Length;
        Span<Le64> places = MemoryMarshal.Cast<byte, Le64>(block.AsSpan(Marshal.SizeOf<NodeHeader>()));
        for (int i = 0; i < keys.Length; i++) places[i] = keys[i];
        BTreeNodeValidator.Instance.PrepareForWrite(Address, block);
        return block;
    }

    private static void AssertRefused(string cause, byte[] block)
    {
        var damage = Assert.Throws<MetadataCorruptException>(() => BTreeNodeValidator.Instance.Check(Address, block));
        Assert.Contains(cause, damage.Message, StringComparison.Ordinal);
    }
}
