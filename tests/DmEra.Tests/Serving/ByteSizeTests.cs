using DmEra.Serving;

namespace DmEra.Tests.Serving;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("1", 1)]
    [InlineData("4096", 4096)]
    [InlineData("64K", 65536)]
    [InlineData("64k", 65536)]
    [InlineData("1M", 1048576)]
    [InlineData("3G", 3221225472)]
    [InlineData("2T", 2199023255552)]
    [InlineData("128s", 65536)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void Sizes_are_read(string text, long bytes)
    {
        Assert.True(ByteSize.TryParse(text, out long read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("0K")]
    [InlineData("K")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData(" 1")]
    [InlineData("1 K")]
    [InlineData("1.5G")]
    [InlineData("1KB")]
    [InlineData("1S")]
    [InlineData("1Q")]
    [InlineData("0x10")]
    [InlineData("9223372036854775808")]
    [InlineData("9007199254740992K")]
    [InlineData("99999999999999999999999")]
    public void Nonsense_is_refused(string text) => Assert.False(ByteSize.TryParse(text, out _));
}
