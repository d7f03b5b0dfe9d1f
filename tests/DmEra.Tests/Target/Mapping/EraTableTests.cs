using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class EraTableTests
{
    [Fact]
    public void Table_line_is_read_and_printed_back()
    {
        EraTable table = EraTable.Parse("0 131072 era /dev/meta /dev/origin 128");

        Assert.Equal(0, table.StartSectors);
        Assert.Equal(131072, table.LengthSectors);
        Assert.Equal("/dev/meta", table.MetadataPath);
        Assert.Equal("/dev/origin", table.OriginPath);
        Assert.Equal(128u, table.BlockSizeSectors);
        Assert.Equal(1024, table.BlockCount);
        Assert.Equal("0 131072 era /dev/meta /dev/origin 128", table.ToString());
    }

    [Theory]
    [InlineData("a file", "back\\slash")]
    [InlineData("tab\there", "plain")]
    public void Blanks_in_paths_survive_printing_and_reading(string metadata, string origin)
    {
        EraTable read = EraTable.Parse(new EraTable(8, 64, metadata, origin, 8).ToString());

        Assert.Equal(metadata, read.MetadataPath);
        Assert.Equal(origin, read.OriginPath);
    }

    [Fact]
    public void Words_may_have_any_number_of_blanks_around_them() =>
        Assert.Equal("0 64 era m o 8", EraTable.Parse("  0 64\tera  m o 8 ").ToString());

    [Fact]
    public void Table_may_end_where_a_device_can_end() =>
        Assert.Equal(8, EraTable.Parse("18014398509481975 8 era m o 8").LengthSectors);     // 2^63 - 1 bytes

    [Theory]
    [InlineData("0 64 era", 0)]
    [InlineData("0 64 era m", 1)]
    [InlineData("0 64 era m o", 2)]
    [InlineData("0 64 era m o 8 1", 4)]
    public void Wrong_number_of_arguments_has_the_kernels_text(string line, int count)
    {
        EraTargetException refusal = Refusal(line);
        Assert.StartsWith("Invalid argument count", refusal.Message, StringComparison.Ordinal);
        Assert.Contains($": {count} behind", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("128k")]
    [InlineData("-8")]
    [InlineData("+8")]
    [InlineData("0x80")]
    [InlineData("8.0")]
    [InlineData("1,024")]
    [InlineData("4294967296")] // the kernel takes it for 0
    [InlineData("4294967304")] // the kernel takes it for 8
    [InlineData("99999999999999999999")]
    public void Block_size_that_is_no_32_bit_number_has_the_kernels_text(string blockSize) =>
        Assert.StartsWith(
            "Error parsing block size", Refusal($"0 64 era m o {blockSize}").Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    [InlineData("7")]
    [InlineData("12")]
    [InlineData("010")] // decimal
    public void Block_size_that_is_no_multiple_of_8_has_the_kernels_text(string blockSize) =>
        Assert.StartsWith("Invalid block size", Refusal($"0 64 era m o {blockSize}").Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("8", 8u)]
    [InlineData("24", 24u)]
    [InlineData("2147483648", 2147483648u)]
    [InlineData("4294967288", 4294967288u)]
    public void Every_multiple_of_8_is_a_block_size(string word, uint expected) =>
        Assert.Equal(expected, EraTable.Parse($"0 64 era m o {word}").BlockSizeSectors);

    [Theory]
    [InlineData("")]
    [InlineData("0 64")]
    [InlineData("x 64 era m o 8")]
    [InlineData("0 -64 era m o 8")]
    [InlineData("0 64 linear m 0")]
    [InlineData("0 0 era m o 8")]
    [InlineData("0 36028797018963968 era m o 8")] // 2^64 bytes
    [InlineData("18014398509481976 8 era m o 8")]
    [InlineData("0 64 era m o 8\\")]
    [InlineData("9007199254740992 9007199254740992 era m o 8")] // ends behind 2^63 bytes
    public void Nonsense_is_refused(string line) => Assert.Equal(Errno.EINVAL, Refusal(line).Errno);

    [Theory]
    [InlineData(8, 8, 1)]
    [InlineData(9, 8, 2)]
    [InlineData(128008, 128, 1001)]
    public void Last_block_may_be_partial(long length, uint blockSize, long expected) =>
        Assert.Equal(expected, new EraTable(0, length, "m", "o", blockSize).BlockCount);

    private static EraTargetException Refusal(string line) =>
        Assert.Throws<EraTargetException>(() => EraTable.Parse(line));
}
