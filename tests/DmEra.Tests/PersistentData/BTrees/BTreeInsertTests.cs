using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>How nodes make room. A leaf holds 252 values of 8 bytes.</summary>
public sealed class BTreeInsertTests
{
    private const int Full = 252;

    private readonly TestMetadata _metadata = new();
    private readonly BTree<Le64> _tree;

    public BTreeInsertTests() => _tree = new BTree<Le64>(_metadata.Transactions, new NoReferences<Le64>());

    [Fact]
    public void Full_root_gets_a_node_above_it_and_is_halved()
    {
        ulong root = _metadata.Leaf(0, Full);

        root = _tree.Insert(root, 1000, 1);

        Assert.Equal([126, 127], _metadata.Counts(root));
        AssertWhole(root, Full + 1);
    }

    [Fact]
    public void Overwriting_in_a_full_leaf_needs_no_room()
    {
        ulong root = _metadata.Leaf(0, Full);

        root = _tree.Insert(root, 0, 1);
        root = _tree.Insert(root, 100, 1);

        Assert.Equal([Full], _metadata.Counts(root));
        Assert.True(_tree.TryLookup(root, 100, out Le64 value));
        Assert.Equal(1UL, value.Value);
    }

    [Fact]
    public void Overwriting_a_reference_with_itself_counts_nothing()
    {
        ulong target = _metadata.Leaf(0, 1);
        BTree<Le64> references = new(_metadata.Transactions, new BlockReferences(_metadata.Transactions));
        ulong root = references.Insert(references.CreateEmpty(), 5, target);

        root = references.Insert(root, 5, target);

        Assert.Equal(1u, _metadata.Transactions.Count(target));
        references.Delete(root);
        Assert.Equal(0u, _metadata.Transactions.Count(target));
    }

    [Fact]
    public void Highest_key_of_all_is_the_last_entry()
    {
        ulong root = _tree.Insert(_tree.Insert(_tree.CreateEmpty(), 5, 1), ulong.MaxValue, 2);

        Assert.Equal([5, ulong.MaxValue], _tree.Entries(root).Take(3).Select(entry => entry.Key));
    }

    [Fact]
    public void Full_node_gives_to_its_left_sibling_first()
    {
        ulong root = ThreeLeaves(Full - 8, Full, Full - 8);

        root = _tree.Insert(root, 1500, 1);

        Assert.Equal([248, 249, Full - 8], _metadata.Counts(root));
        AssertWhole(root, (3 * Full) - 16 + 1);
    }

    [Fact]
    public void Full_node_gives_to_its_right_sibling_if_the_left_one_is_nearly_full()
    {
        ulong root = ThreeLeaves(Full - 7, Full, Full - 8);

        root = _tree.Insert(root, 1500, 1);

        Assert.Equal([Full - 7, 248, 249], _metadata.Counts(root));
        AssertWhole(root, (3 * Full) - 15 + 1);
    }

    [Fact]
    public void Two_full_siblings_become_three()
    {
        ulong root = ThreeLeaves(Full, Full, Full);

        root = _tree.Insert(root, 1500, 1);

        Assert.Equal([168, 168, 169, Full], _metadata.Counts(root));
        AssertWhole(root, (3 * Full) + 1);
    }

    [Theory, InlineData(1), InlineData(9000)]
    public void Full_node_at_the_edge_is_halved(ulong key)
    {
        ulong root = ThreeLeaves(Full, Full, Full);

        root = _tree.Insert(root, key, 1);

        int[] expected = key == 1 ? [127, 126, Full, Full] : [Full, Full, 126, 127];
        Assert.Equal(expected, _metadata.Counts(root));
        AssertWhole(root, (3 * Full) + 1);
    }

    [Theory, InlineData(0), InlineData(2)]
    public void Shared_sibling_is_left_alone(int sharedIndex)
    {
        ulong root = ThreeLeaves(Full, Full, Full);
        ulong shared = _metadata.Children(root)[sharedIndex];
        _metadata.Commit();
        _metadata.Transactions.Inc(shared);

        root = _tree.Insert(root, 1500, 1);

        Assert.Equal([Full, 126, 127, Full], _metadata.Counts(root));
        Assert.Contains(shared, _metadata.Children(root));
        _metadata.CommitAndAudit(audit =>
        {
            audit.Pointer(shared);
            audit.Tree(root, 8);
        });
    }

    [Fact]
    public void Key_below_all_others_lowers_the_keys_on_its_way()
    {
        ulong root = _metadata.NodeOver((2, ThreeLeaves(100, 100, 100)));

        root = _tree.Insert(root, 1, 17);

        Assert.Equal(1UL, _tree.Entries(root).First().Key);
        Assert.True(_tree.TryLookup(root, 1, out Le64 value));
        Assert.Equal(17UL, value.Value);
    }

    [Fact]
    public void Ascending_keys_fill_the_leaves()
    {
        ulong root = _tree.CreateEmpty();
        for (ulong key = 0; key < 20_000; key++) root = _tree.Insert(root, key, key);

        int[] counts = _metadata.Counts(root);
        Assert.InRange(counts.Average(), 0.9 * Full, Full);
        AssertWhole(root, 20_000);
    }

    // Keys from 2, 1002 and 2002 on: there is room for other ones before and behind each leaf.
    private ulong ThreeLeaves(params int[] counts) => _metadata.NodeOver(
        [.. counts.Select((count, i) => ((ulong)(1000 * i) + 2, _metadata.Leaf((ulong)(1000 * i) + 2, count)))]);

    private void AssertWhole(ulong root, int expectedCount) =>
        _metadata.CommitAndAudit(audit => Assert.Equal(expectedCount, audit.Tree(root, 8).Count));
}
