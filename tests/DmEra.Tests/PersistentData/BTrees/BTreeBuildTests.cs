using System.Buffers.Binary;
using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>Trees that are made as a whole, of 32-bit numbers: 336 in a leaf.</summary>
public sealed class BTreeBuildTests
{
    private readonly TestMetadata _metadata = new();
    private readonly BTree<Le32> _tree;

    public BTreeBuildTests() => _tree = new BTree<Le32>(_metadata.Transactions, new NoReferences<Le32>());

    [Theory]
    [InlineData(0u, 1), InlineData(1u, 1), InlineData(336u, 1), InlineData(337u, 3), InlineData(672u, 3), InlineData(673u, 4)]
    [InlineData(336u * 252, 253), InlineData((336u * 252) + 1, 256)]        // 253 leaves need two nodes above, and these a root
    public void Tree_has_its_keys_in_as_few_nodes_as_hold_them(uint count, int nodes)
    {
        ulong root = _tree.Build(count, [(5, count / 3), (6, 0), (7, count - (count / 3))]);

        Assert.Equal(nodes, _metadata.Allocated);
        Assert.Equal((ulong)nodes, BTree<Le32>.NodesToBuild(count));
        _metadata.CommitAndAudit(audit =>
        {
            List<(ulong Key, byte[] Value)> entries = audit.Tree(root, 4);
            Assert.Equal((int)count, entries.Count);
            for (int i = 0; i < entries.Count; i++)
                Assert.Equal(((ulong)i, i < count / 3 ? 5u : 7u), (entries[i].Key, BinaryPrimitives.ReadUInt32LittleEndian(entries[i].Value)));
        });
    }

    [Fact]
    public void Full_tree_takes_more_keys_and_loses_them()
    {
        const uint Count = 336 * 3;
        ulong root = _tree.Build(Count, [(1, Count)]);
        for (uint key = Count; key < Count + 200; key++) root = _tree.Insert(root, key, key);
        for (uint key = 0; key < Count; key += 2) root = _tree.Remove(root, key);

        _metadata.CommitAndAudit(audit => Assert.Equal((int)(Count / 2) + 200, audit.Tree(root, 4).Count));
    }

    [Fact]
    public void Run_ends_with_its_value_with_a_gap_in_the_keys_and_with_the_leaf()
    {
        ulong root = _tree.Build(400, [(1, 100), (2, 300)]);
        root = _tree.Remove(root, 50);

        Assert.Equal((1u, 50u), Run(0));
        Assert.Equal((1u, 49u), Run(51));
        Assert.Equal((2u, 100u), Run(100));     // the leaves have 200 entries each
        Assert.Equal((2u, 200u), Run(200));
        Assert.False(_tree.TryLookupRun(root, 50, out _, out _));

        (uint Value, uint Length) Run(ulong key)
        {
            Assert.True(_tree.TryLookupRun(root, key, out Le32 value, out uint length));
            return (value, length);
        }
    }

    [Fact]
    public void Fewer_values_than_keys_are_no_tree() =>
        Assert.Throws<InvalidOperationException>(() => _tree.Build(3, [(1, 2)]));
}
