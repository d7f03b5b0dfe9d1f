using DmEra.Tools.Caches;

namespace DmEra.Tests.Tools.Caches;

/// <summary>Table lines of dm-cache, as dmsetup prints them.</summary>
public sealed class CacheTableTests
{
    private const string Line = "0 32768 cache 254:1 254:2 253:0 64 2 metadata2 writeback smq 2 migration_threshold 2048";

    [Theory]
    [InlineData(Line)]
    [InlineData("0 32768 cache /dev/a /dev/b /dev/c 64 0 default 0")]
    [InlineData("0 32768 cache 1:1 1:2 1:3 64 1 writethrough smq 0")]
    public void A_line_is_read_and_written(string line) => Assert.Equal(line, CacheTable.Parse(line).ToString());

    [Fact]
    public void Other_modes_keep_what_is_not_theirs()
    {
        CacheTable table = CacheTable.Parse(Line);

        Assert.Equal("254:1", table.Metadata);
        Assert.Equal(
            "0 32768 cache 254:1 254:2 253:0 64 2 metadata2 passthrough smq 2 migration_threshold 2048", table.InPassthrough().ToString());
        Assert.Equal("0 32768 cache 254:1 254:2 253:0 64 2 metadata2 writeback cleaner 0", table.BeingCleaned().ToString());
        Assert.Equal(table.InPassthrough().ToString(), table.InPassthrough().InPassthrough().ToString());
        Assert.Equal("0 9 cache a b c 64 1 passthrough smq 0", CacheTable.Parse("0 9 cache a b c 64 0 smq 0").InPassthrough().ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("0 32768 era 1:1 1:2 128")]
    [InlineData("0 32768 cache 1:1 1:2 1:3 64")]
    [InlineData("0 32768 cache 1:1 1:2 1:3 64 3 writeback smq 0")]
    [InlineData("0 32768 cache 1:1 1:2 1:3 64 -1 smq 0")]
    [InlineData("0 32768 cache 1:1 1:2 1:3 64 99999999999 smq 0")]
    public void What_is_no_table_of_a_cache_is_refused(string line) => Assert.Throws<FormatException>(() => CacheTable.Parse(line));
}
