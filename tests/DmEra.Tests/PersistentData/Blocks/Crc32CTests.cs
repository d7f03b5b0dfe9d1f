using DmEra.PersistentData.Blocks;
using DmEra.Tests.PersistentData.SpaceMaps;

namespace DmEra.Tests.PersistentData.Blocks;

public sealed class Crc32CTests
{
    [Fact]
    public void Known_answer() => Assert.Equal(0xE3069283u, ~Crc32C.Raw("123456789"u8));

    [Theory, InlineData(4), InlineData(5), InlineData(11), InlineData(12), InlineData(4083), InlineData(4084), InlineData(4095), InlineData(4096), InlineData(20_000)]
    public void Block_of_any_length_is_summed_as_by_the_book(int length)
    {
        byte[] block = new byte[length];
        new Random(length).NextBytes(block);
        Assert.Equal(DecodedSpaceMap.Checksum(block, 240779), Crc32C.OfBlock(block, 240779));
    }
}
