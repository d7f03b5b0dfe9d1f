using DmEra.Cli.Offline;

namespace DmEra.Tests.Cli.Offline;

public sealed class ProgressBarTests
{
    [Theory]
    [InlineData(0, "[                                        ]   0 %")]
    [InlineData(0.5, "[####################                    ]  50 %")]
    [InlineData(1, "[########################################] 100 %")]
    [InlineData(1.2, "[########################################] 100 %")]
    [InlineData(double.NaN, "[                                        ]   0 %")]
    public void It_shows_how_much_is_done(double fraction, string bar) => Assert.Equal(bar, ProgressBar.Render(fraction));

    [Fact]
    public void Work_that_ends_soon_leaves_the_terminal_alone()
    {
        using StringWriter terminal = new();

        new ProgressBar(terminal, () => 0.5).Dispose();

        Assert.Empty(terminal.ToString());
    }
}
