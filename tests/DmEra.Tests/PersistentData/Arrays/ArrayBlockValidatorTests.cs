using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.Arrays;

/// <summary>Array blocks are told from other blocks by their header.</summary>
public sealed class ArrayBlockValidatorTests
{
    private const ulong Address = 5;

    [Theory, InlineData(4, 1018, 1018), InlineData(8, 509, 0), InlineData(12, 339, 339)]
    public void Block_may_be_filled_to_its_last_byte(uint valueSize, uint maxEntries, uint entries) =>
        ArrayBlockValidator.Instance.Check(Address, Block(valueSize, maxEntries, entries));

    [Theory]
    [InlineData(4, 1019, 0, "max_entries is too large")]
    [InlineData(4, uint.MaxValue, 0, "max_entries is too large")]
    [InlineData(4, 1018, 1019, "nr_entries is greater than max_entries")]
    public void Header_that_no_array_block_has_is_refused(uint valueSize, uint maxEntries, uint entries, string cause)
    {
        byte[] block = Block(valueSize, maxEntries, entries);

        var damage = Assert.Throws<MetadataCorruptException>(() => ArrayBlockValidator.Instance.Check(Address, block));
        Assert.Contains(cause, damage.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Block_is_of_an_array_whose_values_and_capacity_it_has()
    {
        Assert.True(ArrayBlockHeader.Holds<Le32>(Block(4, 1018, 7), 7));
        Assert.False(ArrayBlockHeader.Holds<Le32>(Block(4, 1018, 7), 8));
        Assert.False(ArrayBlockHeader.Holds<Le32>(Block(4, 1017, 7), 7));
        Assert.False(ArrayBlockHeader.Holds<Le64>(Block(4, 509, 7), 7));
    }

    private static byte[] Block(uint valueSize, uint maxEntries, uint entries)
    {
        byte[] block = new byte[BlockManager.BlockSize];
        ref ArrayBlockHeader header = ref MemoryMarshal.AsRef<ArrayBlockHeader>(block.AsSpan());
        header.ValueSize = valueSize;
        header.MaxEntries = maxEntries;
        header.NrEntries = entries;
        ArrayBlockValidator.Instance.PrepareForWrite(Address, block);
        return block;
    }
}
