using System.Buffers.Binary;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>Trees that no correct writer makes: the answer is a metadata exception, never another one and never a
/// hang.</summary>
public sealed class BTreeDamageTests
{
    private readonly TestMetadata _metadata = new(blockCount: 256);
    private readonly BTree<Le64> _tree;

    public BTreeDamageTests() => _tree = new BTree<Le64>(_metadata.Transactions, new NoReferences<Le64>());

    public static TheoryData<int> AllSeeds => Seeds.For(300);

    [Fact]
    public void Circle_is_noticed_by_every_operation()
    {
        ulong root = _metadata.NodeOver((0, 1), (1000, 2));
        Overwrite(root, node => node.Children.Fill(root));
        _metadata.Commit();

        AssertDamaged(() => _tree.TryLookup(root, 5, out _));
        AssertDamaged(() => _tree.TryHighest(root, out _));
        AssertDamaged(() => _ = _tree.Entries(root).ToList());
        AssertDamaged(() => _tree.Remove(root, 5));
        AssertDamaged(() => _tree.Insert(root, 5, 5));
        AssertDamaged(() => _tree.Delete(root));
        _metadata.Blocks.Forget();      // no lease was left behind
    }

    [Fact]
    public void Path_longer_than_any_tree_is_taken_for_a_circle()
    {
        ulong root = _metadata.Leaf(0, 100);
        for (int depth = 1; depth < BTree<Le64>.MaxDepth; depth++) root = _metadata.NodeOver((0, root));
        Assert.True(_tree.TryLookup(root, 5, out _));
        root = _tree.Insert(root, 5, 6);

        root = _metadata.NodeOver((0, root));

        AssertDamaged(() => _tree.TryLookup(root, 5, out _));
        AssertDamaged(() => _tree.Insert(root, 5, 7));
        _metadata.Blocks.Forget();
    }

    [Fact]
    public void Node_of_another_tree_is_refused()
    {
        ulong root = new BTree<Le32>(_metadata.Transactions, new NoReferences<Le32>()).CreateEmpty();

        AssertDamaged(() => _tree.TryLookup(root, 5, out _));
        AssertDamaged(() => _tree.Insert(root, 5, 5));
        AssertDamaged(() => _tree.Delete(root));
        _metadata.Blocks.Forget();
    }

    [Fact]
    public void Siblings_at_different_depths_exchange_no_entries()
    {
        ulong leaf = _metadata.Leaf(0, 84);
        ulong node = _metadata.NodeOver((1000, _metadata.Leaf(1000, 84)), (2000, _metadata.Leaf(2000, 84)));
        ulong root = _metadata.NodeOver((0, leaf), (1000, node));

        AssertDamaged(() => _tree.Remove(root, 5));
    }

    [Fact]
    public void Siblings_whose_keys_overlap_exchange_no_entries()
    {
        // By one key, and away from the way to the entry: nothing else would notice.
        ulong merged = _metadata.NodeOver((0, _metadata.Leaf(0, 85)), (84, _metadata.Leaf(84, 84)));
        AssertDamaged(() => _tree.Remove(merged, 100));

        ulong evenedOut = _metadata.NodeOver((0, _metadata.Leaf(0, 200)), (199, _metadata.Leaf(199, 84)));
        AssertDamaged(() => _tree.Remove(evenedOut, 250));

        ulong split = _metadata.NodeOver(
            (0, _metadata.Leaf(0, 252)), (251, _metadata.Leaf(251, 252)), (1000, _metadata.Leaf(1000, 252)));
        AssertDamaged(() => _tree.Insert(split, 600, 1));
    }

    [Fact]
    public void Node_with_keys_that_belong_to_another_is_noticed()
    {
        ulong root = _metadata.NodeOver((40, _metadata.Leaf(0, 84)), (1500, _metadata.Leaf(1400, 200)));

        AssertDamaged(() => _tree.TryLookup(root, 5, out _));
        AssertDamaged(() => _tree.TryLookup(root, 50, out _));
        AssertDamaged(() => _tree.TryLookup(root, 1550, out _));

        root = _metadata.NodeOver((0, _metadata.Leaf(0, 84)), (80, _metadata.Leaf(80, 84)));

        AssertDamaged(() => _tree.TryLookup(root, 5, out _));
        Assert.True(_tree.TryLookup(root, 85, out _));
        _metadata.Blocks.Forget();
    }

    [Theory]
    [InlineData(4, 0), InlineData(4, 3), InlineData(16, 253), InlineData(16, uint.MaxValue), InlineData(20, 251)]
    [InlineData(20, 253), InlineData(20, uint.MaxValue), InlineData(24, 0), InlineData(24, 7), InlineData(24, 0x8000_0000)]
    public void Header_with_an_impossible_number_is_refused(int offset, uint number)
    {
        ulong root = _metadata.NodeOver((0, _metadata.Leaf(0, 84)), (1000, _metadata.Leaf(1000, 84)));
        Patch(root, offset, number);

        AssertDamaged(() => _tree.TryLookup(root, 5, out _));
        AssertDamaged(() => _tree.Insert(root, 5, 5));
    }

    [Fact]
    public void Node_without_children_or_with_keys_out_of_order_is_refused()
    {
        ulong root = _metadata.NodeOver((0, _metadata.Leaf(0, 84)), (1000, _metadata.Leaf(1000, 84)));
        ulong leaf = _metadata.Children(root)[1];
        Patch(leaf, 32, 1002);
        AssertDamaged(() => _tree.TryLookup(root, 1050, out _));

        Patch(root, 16, 0);
        AssertDamaged(() => _tree.TryLookup(root, 5, out _));
    }

    [Theory, MemberData(nameof(AllSeeds))]
    public void Random_damage_leads_to_no_other_exception(int seed)
    {
        Random random = new(seed);
        ulong root = _tree.CreateEmpty();
        for (ulong key = 0; key < 1500; key++) root = _tree.Insert(root, key * 2, key);
        _metadata.Commit();
        ulong[] nodes = [root, .. _metadata.Children(root)];
        for (int i = random.Next(1, 6); i > 0; i--)
        {
            // Mostly small numbers, in the header or among the first entries: they get past the first check.
            uint number = random.Next(3) == 0 ? (uint)random.Next() : (uint)random.Next(400);
            int offset = 4 * (random.Next(2) == 0 ? random.Next(1, 30) : random.Next(512, 540));
            Patch(nodes[random.Next(nodes.Length)], offset, number);
        }

        bool isDamaged = false;
        for (int i = 0; i < 200 && !isDamaged; i++)
        {
            ulong key = (ulong)random.Next(3100);
            isDamaged = IsDamaged(() => _tree.TryLookupNext(root, key, out _, out _))
                || IsDamaged(() => root = _tree.TryLookup(root, key, out _)
                    ? _tree.Remove(root, key)
                    : _tree.Insert(root, key, key));
        }

        _ = IsDamaged(() => _ = _tree.Entries(root).ToList());
        _ = IsDamaged(() => _tree.Delete(root));
        _metadata.Blocks.Forget();      // no lease was left behind
    }

    private void Overwrite(ulong address, OverwriteNode change)
    {
        using WriteBlock block = _metadata.Blocks.Write(address, BTreeNodeValidator.Instance);
        change(new WriteNode(block.Data));
    }

    /// <summary>Puts a number into a node on the device, and makes the checksum right again.</summary>
    private void Patch(ulong address, int offset, uint number)
    {
        _metadata.Blocks.Flush();
        _metadata.Blocks.Forget();
        byte[] block = new byte[BlockManager.BlockSize];
        _metadata.Blocks.Device.Read((long)address * block.Length, block);
        BinaryPrimitives.WriteUInt32LittleEndian(block.AsSpan(offset), number);
        BTreeNodeValidator.Instance.PrepareForWrite(address, block);
        _metadata.Blocks.Device.Write((long)address * block.Length, block);
    }

    private static void AssertDamaged(Action action) => Assert.True(IsDamaged(action), "nothing was noticed");

    private static bool IsDamaged(Action action)
    {
        try
        {
            action();
            return false;
        }
        catch (Exception damage) when (damage is MetadataCorruptException or MetadataFullException)
        {
            return true;
        }
    }

    private delegate void OverwriteNode(WriteNode node);
}
