using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Transactions;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.Transactions;

public sealed class TransactionManagerTests
{
    private static readonly BlockValidator Type = TestBlockValidator.Apple;

    private readonly TransactionManager _transactions = new(
        new BlockManager(new MemoryBlockDevice(64 * BlockManager.BlockSize)), new CoreSpaceMap(64));

    [Fact]
    public void New_block_is_zero_and_pointed_at_once()
    {
        using WriteBlock block = _transactions.NewBlock(Type);
        Assert.Equal(1u, _transactions.Count(block.Address));
        Assert.False(block.Data.ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Shadow_of_a_committed_block_is_a_copy_that_takes_its_place()
    {
        ulong original = NewBlock(5);
        _transactions.Begin();

        ulong copy = Shadow(original, 6, out bool incChildren);

        Assert.NotEqual(original, copy);
        Assert.False(incChildren);
        Assert.Equal(0u, _transactions.Count(original));
        Assert.Equal(1u, _transactions.Count(copy));
        Assert.Equal(5, Content(original));
        Assert.Equal(6, Content(copy));
    }

    [Fact]
    public void Shadow_starts_with_the_content_of_the_original()
    {
        ulong original = NewBlock(5);
        _transactions.Begin();
        using WriteBlock copy = _transactions.Shadow(original, Type, out _);
        Assert.Equal(5, copy.Data[TestBlockValidator.ContentOffset]);
    }

    [Fact]
    public void Shadow_of_a_new_block_is_itself()
    {
        ulong block = NewBlock(5);
        Assert.Equal(block, Shadow(block, 6, out bool incChildren));
        Assert.False(incChildren);
        Assert.Equal(1u, _transactions.Count(block));
    }

    [Fact]
    public void Shadow_of_a_shadow_is_a_no_op()
    {
        ulong original = NewBlock(5);
        _transactions.Begin();
        ulong copy = Shadow(original, 6, out _);
        Assert.Equal(copy, Shadow(copy, 7, out _));
        Assert.Equal(7, Content(copy));
    }

    [Fact]
    public void Shadow_of_a_shared_block_leaves_the_original_to_the_others()
    {
        ulong original = NewBlock(5);
        _transactions.Begin();
        _transactions.Inc(original);

        ulong copy = Shadow(original, 6, out bool incChildren);

        Assert.NotEqual(original, copy);
        Assert.True(incChildren);
        Assert.Equal(1u, _transactions.Count(original));
        Assert.Equal(1u, _transactions.Count(copy));
    }

    [Fact]
    public void Shadow_of_a_new_block_that_is_shared_is_a_copy_too()
    {
        ulong original = NewBlock(5);
        _transactions.Inc(original);
        Assert.NotEqual(original, Shadow(original, 6, out bool incChildren));
        Assert.True(incChildren);
        Assert.Equal(5, Content(original));
    }

    [Fact]
    public void Shadow_of_a_block_that_is_counted_as_free_is_refused()
    {
        ulong block = NewBlock(5);
        _transactions.Begin();
        _transactions.Dec(block);
        Assert.Throws<MetadataCorruptException>(() => Shadow(block, 6, out _));
        _transactions.Blocks.Forget();      // no lease was left behind
    }

    [Fact]
    public void Shadow_of_a_damaged_block_allocates_nothing()
    {
        ulong block = NewBlock(5);
        _transactions.Blocks.Flush();
        _transactions.Blocks.Forget();
        _transactions.Begin();
        _transactions.Blocks.Device.Write((long)block * BlockManager.BlockSize, new byte[100]);
        ulong free = _transactions.SpaceMap.FreeBlocks;

        Assert.Throws<MetadataCorruptException>(() => Shadow(block, 6, out _));

        Assert.Equal(free, _transactions.SpaceMap.FreeBlocks);
    }

    [Fact]
    public void After_a_failed_commit_nothing_can_be_changed_but_everything_read()
    {
        ulong block = NewBlock(5);
        IOException fault = new("disk gone");
        _transactions.Fail(fault);

        Assert.Same(fault, Assert.Throws<MetadataFailedException>(() => NewBlock(6)).InnerException);
        Assert.Throws<MetadataFailedException>(() => Shadow(block, 6, out _));
        Assert.Throws<MetadataFailedException>(() => _transactions.Inc(block));
        Assert.Throws<MetadataFailedException>(() => _transactions.Dec(block));
        Assert.Equal(5, Content(block));

        _transactions.Begin();
        _transactions.Inc(block);
    }

    private ulong NewBlock(byte content)
    {
        using WriteBlock block = _transactions.NewBlock(Type);
        block.Data[TestBlockValidator.ContentOffset] = content;
        return block.Address;
    }

    private ulong Shadow(ulong address, byte content, out bool incChildren)
    {
        using WriteBlock block = _transactions.Shadow(address, Type, out incChildren);
        block.Data[TestBlockValidator.ContentOffset] = content;
        return block.Address;
    }

    private byte Content(ulong address)
    {
        using ReadBlock block = _transactions.Read(address, Type);
        return block.Data[TestBlockValidator.ContentOffset];
    }
}
