using DmEra.Cli.Backups;

namespace DmEra.Tests.Cli.Backups;

public sealed class ByteProgressTests
{
    private const long MiB = 1 << 20;

    [Theory]
    [InlineData(512 * MiB, 2048 * MiB, 2.0, " 25 % of 2.0 GiB, 256 MiB/s, 0:06 left")]
    [InlineData(2048 * MiB, 2048 * MiB, 4.0, "100 % of 2.0 GiB, 512 MiB/s, 0:00 left")]
    [InlineData(3 * MiB, 2 * MiB, 1.0, "100 % of 2.0 MiB, 3.0 MiB/s, 0:00 left")]
    [InlineData(0, 2 * MiB, 0.0, "  0 % of 2.0 MiB, 0 bytes/s, ")]
    [InlineData(MiB, 1024L * 1024 * MiB, 1.0, "  0 % of 1.0 TiB, 1.0 MiB/s, 291:16:15 left")]
    public void Rate_and_time_left_follow_from_what_was_done(long done, long total, double seconds, string expected) =>
        Assert.Contains(expected, ByteProgress.Describe(done, total, TimeSpan.FromSeconds(seconds)), StringComparison.Ordinal);

    [Fact]
    public void Without_a_total_there_is_no_time_left() =>
        Assert.Equal("3.0 MiB, 1.5 MiB/s", ByteProgress.Describe(3 * MiB, 0, TimeSpan.FromSeconds(2)));
}
