using System.Runtime.CompilerServices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>Entries move within and between nodes; values are of 12 bytes, none of which is aligned.</summary>
public sealed class WriteNodeTests
{
    private const int Capacity = 201;

    public static TheoryData<int> AllSeeds => Seeds.For(20);

    [Theory, InlineData(4, 336), InlineData(8, 252), InlineData(12, 201), InlineData(16, 168)]
    public void Capacity_is_what_fits_rounded_down_to_three(int valueSize, int expected) =>
        Assert.Equal(expected, NodeHeader.CapacityFor(valueSize));

    [Theory, MemberData(nameof(AllSeeds))]
    public void Inserting_and_removing_shift_what_is_behind(int seed)
    {
        Random random = new(seed);
        byte[] block = new byte[BlockManager.BlockSize];
        WriteNode node = WriteNode.FormatLeaf<OwnedBlock>(block);
        SortedSet<ulong> model = [];
        for (int step = 0; step < 1000; step++)
        {
            ulong key = (ulong)random.Next(300);
            int index = node.Keys.Find(key);
            if (index >= 0)
            {
                node.RemoveAt(index);
                model.Remove(key);
            }
            else if (node.Count < node.Capacity)
            {
                node.InsertAt(node.Keys.LowerBound(key) + 1, key, ValueOf(key));
                model.Add(key);
            }
        }

        AssertHolds(block, [.. model]);
    }

    [Theory]
    [InlineData(0, 0), InlineData(0, 2), InlineData(1, 0), InlineData(Capacity, 0), InlineData(0, Capacity)]
    [InlineData(Capacity, 67), InlineData(66, 70), InlineData(Capacity, Capacity), InlineData(100, 101)]
    public void Two_nodes_are_evened_out(int leftCount, int rightCount)
    {
        byte[] left = NodeOf(0, leftCount), right = NodeOf(leftCount, rightCount);

        WriteNode.RedistributeTwo(new WriteNode(left), new WriteNode(right));

        int total = leftCount + rightCount;
        AssertHolds(left, Keys(0, total / 2));
        AssertHolds(right, Keys(total / 2, total - (total / 2)));
    }

    [Theory]
    [InlineData(Capacity, Capacity), InlineData(Capacity - 7, Capacity), InlineData(Capacity, Capacity - 6)]
    [InlineData(Capacity - 1, Capacity)]
    public void Node_between_two_full_ones_takes_a_third(int leftCount, int rightCount)
    {
        byte[] left = NodeOf(0, leftCount), middle = NodeOf(0, 0), right = NodeOf(leftCount, rightCount);

        WriteNode.FillMiddle(new WriteNode(left), new WriteNode(middle), new WriteNode(right));

        int total = leftCount + rightCount;
        int third = total / 3, half = (total - third) / 2;
        AssertHolds(left, Keys(0, third));
        AssertHolds(middle, Keys(third, half));
        AssertHolds(right, Keys(third + half, total - third - half));
    }

    [Fact]
    public void Sibling_of_an_internal_node_is_an_internal_node()
    {
        byte[] block = new byte[BlockManager.BlockSize], sibling = new byte[BlockManager.BlockSize];

        WriteNode.FormatInternal(block).FormatSibling(sibling);

        Assert.Equal(block, sibling);
        Assert.False(new ReadNode(sibling).IsLeaf);
        Assert.True(ReadNode.Fits<OwnedBlock>(sibling));
    }

    [Fact]
    public void Leaf_fits_only_a_tree_with_values_of_its_size()
    {
        byte[] leaf = NodeOf(0, 3);

        Assert.True(ReadNode.Fits<OwnedBlock>(leaf));
        Assert.False(ReadNode.Fits<ulong>(leaf));
    }

    private static byte[] NodeOf(int first, int count)
    {
        byte[] block = new byte[BlockManager.BlockSize];
        WriteNode node = WriteNode.FormatLeaf<OwnedBlock>(block);
        foreach (ulong key in Keys(first, count)) node.InsertAt(node.Count, key, ValueOf(key));
        return block;
    }

    private static ulong[] Keys(int first, int count) =>
        [.. Enumerable.Range(first, count).Select(i => (ulong)i)];

    private static OwnedBlock ValueOf(ulong key) => new((uint)key + 1, ~key);

    private static void AssertHolds(byte[] block, ulong[] keys)
    {
        ReadNode node = new(block);
        Assert.Equal(keys.Length, node.Count);
        for (int i = 0; i < keys.Length; i++)
        {
            Assert.Equal(keys[i], node.Keys[i].Value);
            Assert.Equal(ValueOf(keys[i]), node.Values<OwnedBlock>()[i]);
        }

        Span<byte> rest = block.AsSpan(Unsafe.SizeOf<NodeHeader>());
        Assert.Equal(-1, rest[(8 * keys.Length)..(8 * Capacity)].IndexOfAnyExcept((byte)0));
        Assert.Equal(-1, rest[((8 * Capacity) + (12 * keys.Length))..].IndexOfAnyExcept((byte)0));
    }
}
