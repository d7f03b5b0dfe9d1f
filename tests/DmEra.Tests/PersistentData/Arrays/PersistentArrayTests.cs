using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.Arrays;

/// <summary>Arrays of 32-bit numbers, as the era array is one: 1018 in a block.</summary>
public sealed class PersistentArrayTests
{
    private const uint PerBlock = 1018;

    private readonly TestMetadata _metadata = new();
    private readonly PersistentArray<Le32> _array;

    public PersistentArrayTests() => _array = new PersistentArray<Le32>(_metadata.Transactions);

    public static TheoryData<int> AllSeeds => Seeds.For(40);

    [Fact]
    public void Block_holds_what_fits_behind_its_header()
    {
        Assert.Equal((int)PerBlock, _array.EntriesPerBlock);
        Assert.Equal(509, new PersistentArray<Le64>(_metadata.Transactions).EntriesPerBlock);
    }

    [Theory, MemberData(nameof(AllSeeds))]
    public void Array_of_32_bit_numbers_behaves_like_an_array(int seed) =>
        new PersistentArrayModel<Le32>(_metadata, new Random(seed), random => (uint)random.Next()).Run();

    [Theory, MemberData(nameof(AllSeeds))]
    public void Array_of_64_bit_numbers_behaves_like_an_array(int seed) =>
        new PersistentArrayModel<Le64>(_metadata, new Random(seed), random => (ulong)random.NextInt64()).Run();

    [Fact]
    public void First_change_in_a_transaction_copies_the_path_and_later_ones_nothing()
    {
        ulong root = Create(3 * PerBlock);
        _metadata.Commit();

        ulong changed = _array.Set(root, PerBlock, 1);
        Assert.Equal(2, _metadata.Allocated);
        Assert.NotEqual(root, changed);

        Assert.Equal(changed, _array.Set(changed, PerBlock + 1, 2));
        Assert.Equal(2, _metadata.Allocated);
        AssertWhole(changed, 3 * PerBlock);
    }

    [Fact]
    public void Change_of_a_shared_array_leaves_the_other_one_as_it_was()
    {
        ulong root = Create(2 * PerBlock), other = root;
        _metadata.Commit();
        _metadata.Transactions.Inc(other);

        root = _array.Set(root, 5, 1);
        root = _array.Set(root, PerBlock + 5, 2);

        Assert.Equal((7u, 7u), (_array.Get(other, 5).Value, _array.Get(other, PerBlock + 5).Value));
        Assert.Equal((1u, 2u), (_array.Get(root, 5).Value, _array.Get(root, PerBlock + 5).Value));
        _metadata.CommitAndAudit(audit =>
        {
            audit.Array(other, 4, 2 * (int)PerBlock);
            audit.Array(root, 4, 2 * (int)PerBlock);
        });
    }

    [Fact]
    public void Whole_block_is_read_and_changed_at_once()
    {
        ulong root = Create(PerBlock + 10);
        using (WriteArrayBlock<Le32> block = _array.WriteBlock(ref root, 1, 10))
        {
            Assert.Equal(10, block.Values.Length);
            block.Values.Fill(99);
        }

        using (ReadArrayBlock<Le32> block = _array.ReadBlock(root, 1, 10))
            Assert.All(block.Values.ToArray(), value => Assert.Equal(99u, value.Value));
        Assert.Equal(7u, _array.Get(root, PerBlock - 1).Value);
    }

    // The kernel shrinks 1500 values to 1018 without touching the block of the rest.
    [Theory, InlineData(PerBlock), InlineData(500), InlineData(0), InlineData(1500), InlineData(5000)]
    public void Stray_block_behind_the_end_is_not_seen_and_goes_with_the_next_resize(uint newCount)
    {
        ulong root = Create(1500);
        for (uint i = 0; i < PerBlock; i++) Assert.Equal(7u, _array.Get(root, i).Value);

        root = _array.Resize(root, PerBlock, newCount, 8);

        for (uint i = 0; i < newCount; i++) Assert.Equal(i < PerBlock ? 7u : 8u, _array.Get(root, i).Value);
        AssertWhole(root, newCount);
    }

    [Fact]
    public void Value_behind_the_end_is_damage()
    {
        ulong root = Create(PerBlock + 10);

        Assert.Throws<MetadataCorruptException>(() => _array.Get(root, PerBlock + 10));
        var noBlock = Assert.Throws<MetadataCorruptException>(() => _array.Get(root, 2 * PerBlock));
        Assert.Contains("has no block 2", noBlock.Message, StringComparison.Ordinal);
        Assert.Throws<MetadataCorruptException>(() => _array.Set(root, PerBlock + 10, 1));
        Assert.Throws<MetadataCorruptException>(() => _array.Set(root, 2 * PerBlock, 1));
        Assert.Throws<MetadataCorruptException>(() => _array.ReadBlock(root, 1, 11).Dispose());
        Assert.Throws<MetadataCorruptException>(() => _array.WriteBlock(ref root, 1, 11).Dispose());
        Assert.Throws<MetadataCorruptException>(() => _array.Resize(root, PerBlock + 11, PerBlock + 12, 0));
        Assert.Throws<MetadataCorruptException>(() => _array.Resize(root, PerBlock + 15, PerBlock + 11, 0));
        _metadata.Blocks.Forget();      // no lease was left behind
    }

    [Fact]
    public void Block_of_another_array_is_refused()
    {
        ulong root = Create(10);
        PersistentArray<Le64> other = new(_metadata.Transactions);

        Assert.Throws<MetadataCorruptException>(() => other.Get(root, 1));
        Assert.Throws<MetadataCorruptException>(() => other.Set(root, 1, 1));
        _metadata.Blocks.Forget();
    }

    [Fact]
    public void Tree_that_is_no_index_of_an_array_is_refused()
    {
        ulong root = new BTree<Le32>(_metadata.Transactions, new NoReferences<Le32>()).CreateEmpty();

        Assert.Throws<MetadataCorruptException>(() => _array.Get(root, 1));
        var damage = Assert.Throws<MetadataCorruptException>(() => _array.Set(root, 1, 1));
        Assert.Contains("values are not of 8 bytes", damage.Message, StringComparison.Ordinal);
        _metadata.Blocks.Forget();      // no lease was left behind
    }

    [Fact]
    public void Index_that_points_at_a_node_or_nowhere_is_damage()
    {
        BTree<Le64> index = new(_metadata.Transactions, new NoReferences<Le64>());
        ulong root = index.Insert(_array.CreateEmpty(), 0, _array.CreateEmpty());
        root = index.Insert(root, 1, 1_000_000);

        Assert.Throws<MetadataCorruptException>(() => _array.Get(root, 1));
        Assert.Throws<MetadataCorruptException>(() => _array.Set(root, 1, 1));
        Assert.Throws<MetadataCorruptException>(() => _array.Get(root, PerBlock));
        Assert.Throws<MetadataCorruptException>(() => _array.Set(root, PerBlock, 1));
    }

    private ulong Create(uint count) => _array.Resize(_array.CreateEmpty(), 0, count, 7);

    private void AssertWhole(ulong root, uint count) =>
        _metadata.CommitAndAudit(audit => audit.Array(root, 4, (int)count));
}
