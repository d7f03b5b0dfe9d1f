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

    [Theory]
    [InlineData(0u, 1), InlineData(10u, 2), InlineData(PerBlock, 2), InlineData(PerBlock + 10, 3), InlineData(250 * PerBlock, 2)]
    [InlineData((252 * PerBlock) + 1, 5), InlineData(300 * PerBlock, 4)]
    public void New_array_takes_a_block_for_all_full_ones_and_one_for_the_rest(uint count, int blocks)
    {
        ulong root = Create(count);

        Assert.Equal(blocks, _metadata.Allocated);
        Assert.Equal((ulong)blocks, _array.BlocksToCreate(count));
        AssertWhole(root, count);
    }

    [Fact]
    public void First_change_of_a_block_that_is_there_many_times_changes_it_once()
    {
        ulong root = Create(5 * PerBlock);      // in the same transaction: the block is new, and still not to be changed in place
        root = _array.Set(root, PerBlock, 1);
        root = _array.Set(root, 3 * PerBlock, 2);
        _metadata.Commit();
        root = _array.Set(root, 4 * PerBlock, 3);

        for (uint i = 0; i < 5 * PerBlock; i++)
        {
            uint expected = i switch { PerBlock => 1, 3 * PerBlock => 2, 4 * PerBlock => 3, _ => 7 };
            Assert.Equal(expected, _array.Get(root, i).Value);
        }

        AssertWhole(root, 5 * PerBlock);
    }

    [Fact]
    public void Last_one_of_what_were_many_is_changed_in_place_only_when_it_is_new()
    {
        ulong root = Create(2 * PerBlock);
        root = _array.Set(root, 0, 1);
        Assert.Equal(3, _metadata.Allocated);       // the index, the common block, a copy
        root = _array.Set(root, PerBlock, 2);
        Assert.Equal(3, _metadata.Allocated);

        AssertWhole(root, 2 * PerBlock);
        Assert.Equal((1u, 7u, 2u), (_array.Get(root, 0).Value, _array.Get(root, 1).Value, _array.Get(root, PerBlock).Value));
    }

    [Fact]
    public void Blocks_that_are_filled_become_one_whatever_they_were()
    {
        ulong root = Create(600 * PerBlock);
        for (uint block = 0; block < 600; block += 7) root = _array.Set(root, block * PerBlock, block);
        _metadata.Commit();

        root = _array.Fill(root, 3, 597, 9);
        Assert.Equal(5, _metadata.Allocated);       // three nodes of the index and their root, and the block
        _metadata.Commit();
        root = _array.Fill(root, 597, 599, 9);      // goes on with the same
        Assert.Equal(2, _metadata.Allocated);

        for (uint i = 0; i < 600 * PerBlock; i++)
        {
            uint block = i / PerBlock;
            uint expected = block is >= 3 and < 599 ? 9 : i % (7 * PerBlock) == 0 ? block : 7;
            Assert.Equal(expected, _array.Get(root, i).Value);
        }

        AssertWhole(root, 600 * PerBlock);
    }

    [Fact]
    public void Fill_does_not_make_the_last_block_longer()
    {
        ulong root = Create(PerBlock + 10);
        Assert.Throws<MetadataCorruptException>(() => _array.Fill(root, 0, 2, 1));
        Assert.Throws<MetadataCorruptException>(() => _array.Fill(root, 1, 3, 1));
        _metadata.Blocks.Forget();      // no lease was left behind
    }

    [Fact]
    public void Blocks_in_a_row_that_are_one_are_told_as_a_run()
    {
        ulong root = _array.Set(Create((300 * PerBlock) + 5), 100 * PerBlock, 1);

        Assert.Equal(100u, _array.RunLength(root, 0));
        Assert.Equal(1u, _array.RunLength(root, 100));
        Assert.Equal(49u, _array.RunLength(root, 101));     // the index has two nodes of 150 and 151
        Assert.Equal(150u, _array.RunLength(root, 150));
        Assert.Equal(1u, _array.RunLength(root, 300));
        Assert.Throws<MetadataCorruptException>(() => _array.RunLength(root, 301));
    }

    [Fact]
    public void Array_grows_by_many_blocks_and_shrinks_by_them_beside_a_snapshot()
    {
        ulong root = _array.Set(Create(PerBlock + 3), 4, 1), snapshot = root;
        _metadata.Commit();
        _metadata.Transactions.Inc(snapshot);

        root = _array.Resize(root, PerBlock + 3, (700 * PerBlock) + 1, 8);
        Assert.InRange(_metadata.Allocated, 1, 8);      // index, common block, last block, and the one that was the last
        _metadata.Commit();
        root = _array.Resize(root, (700 * PerBlock) + 1, PerBlock - 1, 0);

        Assert.Equal((1u, 7u), (_array.Get(root, 4).Value, _array.Get(root, PerBlock - 2).Value));
        _metadata.CommitAndAudit(audit =>
        {
            audit.Array(snapshot, 4, (int)PerBlock + 3);
            audit.Array(root, 4, (int)PerBlock - 1);
        });
    }

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
        ulong root = index.Insert(index.CreateEmpty(), 0, index.CreateEmpty());
        root = index.Insert(root, 1, 1_000_000);

        Assert.Throws<MetadataCorruptException>(() => _array.Get(root, 1));
        Assert.Throws<MetadataCorruptException>(() => _array.Set(root, 1, 1));
        Assert.Throws<MetadataCorruptException>(() => _array.Get(root, PerBlock));
        Assert.Throws<MetadataCorruptException>(() => _array.Set(root, PerBlock, 1));
    }

    private ulong Create(uint count) => _array.Create(count, 7);

    private void AssertWhole(ulong root, uint count) =>
        _metadata.CommitAndAudit(audit => audit.Array(root, 4, (int)count));
}
