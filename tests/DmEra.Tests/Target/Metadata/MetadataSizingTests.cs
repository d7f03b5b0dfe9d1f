using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Metadata;

public class MetadataSizingTests
{
    [Theory]
    [InlineData(1, 4)]
    [InlineData(300_000, 5)]
    [InlineData(1 << 20, 15)]
    [InlineData(int.MaxValue, 16_256)]      // the most that the format can manage: 255 bitmaps of 16 320 blocks
    public void Suggested_size_is_whole_mebibytes_within_the_limits_of_the_format(long originBlocks, long mebibytes)
    {
        long bytes = MetadataSizing.SuggestedBytes(originBlocks);

        Assert.Equal(mebibytes, bytes / (1 << 20));
        Assert.Equal(mebibytes == 16_256 ? 255L * 16_320 * 4096 : mebibytes << 20, bytes);
    }
}
