using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class EraStatusTests
{
    [Theory]
    [InlineData("0 131072 era 8 10/1024 1 -")]
    [InlineData("0 131072 era 8 13/1024 8 20")]
    [InlineData("2048 64 era 8 6/4161600 4294967295 4161599")]
    [InlineData("0 131072 era Fail")]
    public void Status_lines_are_read_and_printed_back(string line)
    {
        Assert.True(EraStatus.TryParse(line, out EraStatus? status));
        Assert.Equal(line, status.ToString());
    }

    [Fact]
    public void What_the_kernel_says_when_it_fails_counts_as_failed()
    {
        Assert.True(EraStatus.TryParse("0 131072 era Error", out EraStatus? status));
        Assert.True(status.IsFailed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0 131072 linear")]
    [InlineData("0 131072 era 8 10 1 -")]
    [InlineData("0 131072 era 8 10/1024 1")]
    [InlineData("0 131072 era 8 10/1024 -1 -")]
    [InlineData("0 131072 era 8 10/1024 1 x")]
    [InlineData("0 131072 era 8 10/1024 1 - -")]
    public void Other_lines_are_not_taken_for_a_status(string line) => Assert.False(EraStatus.TryParse(line, out _));

    [Fact]
    public void Fields_are_named()
    {
        EraStatus status = new(0, 131072, IsFailed: false, 41, 1024, 7, 93);
        Assert.Equal("0 131072 era 8 41/1024 7 93", status.ToString());
    }
}
