using System.Text.Json;
using DmEra.Cli;
using DmEra.Target.Mapping;
using DmEra.Tests.Tools.Caches;

namespace DmEra.Tests.Cli.Commands;

/// <summary><c>era invalidate --cache</c>: what a cache on top of a device must forget.</summary>
public sealed class InvalidateCacheTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public InvalidateCacheTests()
    {
        // Blocks 1, 2 and 8 of 64 KiB are written since era 2.
        _folder.Sparse("era", 1 << 20);
        _folder.Sparse("origin", 1 << 20);
        using EraTarget target = EraTarget.Create(new EraTable(0, 2048, Era, _folder["origin"], 128), new EraTargetOptions());
        target.Resume();
        target.Device.Write(0, new byte[65536]);
        target.Checkpoint();
        target.Device.Write(65536, new byte[2 * 65536]);
        target.Device.Write(8 * 65536, new byte[512]);
    }

    private string Era => _folder["era"];

    private string Cache => _folder["cache"];

    [Fact]
    public void Messages_ranges_and_json_name_the_blocks()
    {
        CacheImage.Create(Cache, 2, 128, 100, [new(3, 2, false), new(4, 1, true), new(5, 0, true), new(50, 8, false), new(51, 9, false)]);

        CommandRun run = CommandRun.Of("invalidate", Era, "--written-since", "2", "--cache", Cache);

        Assert.Equal("invalidate_cblocks 3-5 50\n", run.Output);
        Assert.Contains("2 cache blocks are dirty (4-6): ", run.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Done, run.ExitCode);
        Assert.Equal("3 5\n50 51\n", CommandRun.Of("invalidate", Era, "--written-since", "2", "--cache", Cache, "--format", "ranges").Output);
        JsonElement list = JsonElement.Parse(
            CommandRun.Of("invalidate", Era, "--written-since", "2", "--cache", Cache, "--format", "json").Output);
        Assert.Equal("[[3,5],[50,51]]", list.GetProperty("invalidate").GetRawText());
        Assert.Equal("[[4,6]]", list.GetProperty("dirty").GetRawText());
        Assert.Equal(5, list.GetProperty("cached").GetInt32());
        Assert.True(list.GetProperty("isClean").GetBoolean());
    }

    [Fact]
    public void A_clean_cache_is_no_reason_for_a_warning_and_one_that_crashed_is()
    {
        CacheImage.Create(Cache, 2, 128, 100, [new(3, 5, false)]);
        CommandRun clean = CommandRun.Of("invalidate", Era, "--written-since", "2", "--cache", Cache);
        Assert.Equal(new CommandRun(ExitCode.Done, "", ""), clean);

        CacheImage.Create(Cache, 2, 128, 100, [new(3, 5, false)], "--omit-clean-shutdown");
        Assert.Contains("not shut down in good order: all 1 blocks", CommandRun.Of(
            "invalidate", Era, "--written-since", "2", "--cache", Cache).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_cache_is_named()
    {
        File.WriteAllBytes(_folder["small"], new byte[100]);
        File.WriteAllBytes(_folder["zeroes"], new byte[8192]);
        foreach ((string path, string expected) in (ReadOnlySpan<(string, string)>)
            [(_folder["small"], "too small"), (_folder["zeroes"], "no metadata of dm-cache"), (_folder["missing"], "No such file")])
        {
            string line = CommandRun.Of("invalidate", Era, "--written-since", "2", "--cache", path).FailedWith(ExitCode.Failed);
            Assert.Contains(path, line, StringComparison.Ordinal);
            Assert.Contains(expected, line, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Theory]
    [InlineData("--format", "messages")]
    [InlineData("--format", "xml", "--cache", "x")]
    public void Formats_that_do_not_go_together_are_refused(params string[] options) =>
        CommandRun.Of(["invalidate", Era, "--written-since", "2", .. options]).FailedWith(ExitCode.Usage);

    public void Dispose() => _folder.Dispose();
}
