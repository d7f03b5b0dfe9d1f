using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>How nodes are kept filled. A leaf of 8-byte values holds 252 of them, and at least 84.</summary>
public sealed class BTreeRemoveTests
{
    private const int Min = 84;

    private readonly TestMetadata _metadata = new();
    private readonly BTree<Le64> _tree;

    public BTreeRemoveTests() => _tree = new BTree<Le64>(_metadata.Transactions, new NoReferences<Le64>());

    [Fact]
    public void Key_that_is_not_there_cannot_be_removed_and_nothing_changes()
    {
        ulong root = TwoLeaves(100, 100);
        _metadata.Commit();

        Assert.Throws<KeyNotFoundException>(() => _tree.Remove(root, 500));

        Assert.Equal(0, _metadata.Allocated);
    }

    [Fact]
    public void Leaf_with_one_to_spare_is_left_as_it_is()
    {
        ulong root = TwoLeaves(Min + 1, 200);
        ulong right = _metadata.Children(root)[1];
        _metadata.Commit();

        root = _tree.Remove(root, 0);

        Assert.Equal([Min, 200], _metadata.Counts(root));
        Assert.Equal(right, _metadata.Children(root)[1]);
        Assert.Equal(2, _metadata.Allocated);
        AssertWhole(root, Min + 200);
    }

    [Theory]
    [InlineData(Min, Min + 2, 0, new[] { Min, Min + 1 })]
    [InlineData(Min, 252, 0, new[] { 167, 168 })]
    [InlineData(252, Min, 1000, new[] { 168, 167 })]
    public void Leaf_at_its_minimum_is_evened_out_with_its_neighbour(int left, int right, ulong key, int[] expected)
    {
        ulong root = _tree.Remove(TwoLeaves(left, right), key);

        Assert.Equal(expected, _metadata.Counts(root));
        AssertWhole(root, left + right - 1);
    }

    [Theory, InlineData(Min, Min + 1, 0), InlineData(Min + 1, Min, 1000), InlineData(Min, Min, 1000)]
    public void Leaf_is_merged_with_a_neighbour_as_small_and_the_root_dropped(int left, int right, ulong key)
    {
        ulong root = _tree.Remove(TwoLeaves(left, right), key);

        Assert.Equal([left + right - 1], _metadata.Counts(root));
        Assert.Equal(2UL, _metadata.UsedBlocks);    // with the superblock's place
        AssertWhole(root, left + right - 1);
    }

    [Theory, InlineData(0, Min, 1000), InlineData(Min, 0, 0)]
    public void Empty_leaf_beside_it_is_merged_too(int left, int right, ulong key)
    {
        ulong root = _tree.Remove(TwoLeaves(left, right), key);

        Assert.Equal([Min - 1], _metadata.Counts(root));
        AssertWhole(root, Min - 1);
    }

    [Fact]
    public void Last_removal_leaves_an_empty_leaf()
    {
        ulong root = _tree.CreateEmpty();
        for (ulong key = 0; key < 10_000; key++) root = _tree.Insert(root, key, key);
        for (ulong key = 0; key < 10_000; key++) root = _tree.Remove(root, key);

        Assert.False(_tree.TryLowest(root, out _, out _));
        Assert.False(_tree.TryHighest(root, out _));
        Assert.Equal(2UL, _metadata.UsedBlocks);
        AssertWhole(root, 0);
    }

    [Fact]
    public void Tree_with_a_leaf_one_below_the_minimum_can_be_worked_with()
    {
        // Older kernels leave such leaves behind.
        ulong root = TwoLeaves(Min - 1, 200);

        for (ulong key = 0; key < Min - 1; key++) root = _tree.Remove(root, key);

        AssertWhole(root, 200);
    }

    // The kernel keeps a root whose children were merged into one until the next removal, and then pulls the child up
    // into it. Before its fix of 2026 it did not count what a shared child points at, which by then is pointed at from
    // two blocks: with 211 writesets, digested until the root has one child, a metadata snapshot and one more
    // writeset digested, bitsets in use ended with a count of 0, and were overwritten.
    [Fact]
    public void Collapse_of_a_root_with_a_shared_only_child_counts_what_the_child_points_at()
    {
        OwnedBlocks bitsets = new(_metadata.Transactions);
        BTree<OwnedBlock> writesets = new(_metadata.Transactions, bitsets);
        ulong root = writesets.CreateEmpty();
        for (uint era = 1; era <= 211; era++) root = writesets.Insert(root, era, bitsets.Create(era));
        for (uint era = 1; _metadata.Children(root).Length > 0; era++) root = writesets.Remove(root, era);
        Assert.True(writesets.TryLowest(root, out ulong lowest, out _));
        int count = _metadata.CountOf(root);
        root = _metadata.NodeOver((lowest, root));
        _metadata.Commit();
        ulong snapshot = root;
        _metadata.Transactions.Inc(snapshot);

        root = writesets.Remove(root, lowest);

        Assert.Empty(_metadata.Children(root));
        _metadata.CommitAndAudit(audit =>
        {
            Assert.Equal(count, audit.Tree(snapshot, 12, value => OwnedBlock.Walk(audit, value)).Count);
            Assert.Equal(count - 1, audit.Tree(root, 12, value => OwnedBlock.Walk(audit, value)).Count);
        });
        writesets.Delete(snapshot);
        writesets.Delete(root);
        _metadata.CommitAndAudit(_ => { });
    }

    private ulong TwoLeaves(int left, int right) =>
        _metadata.NodeOver((0, _metadata.Leaf(0, left)), (1000, _metadata.Leaf(1000, right)));

    private void AssertWhole(ulong root, int expectedCount) =>
        _metadata.CommitAndAudit(audit => Assert.Equal(expectedCount, audit.Tree(root, 8).Count));
}
