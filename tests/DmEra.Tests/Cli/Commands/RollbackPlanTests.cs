using DmEra.Cli;
using DmEra.Tests.Control;

namespace DmEra.Tests.Cli.Commands;

/// <summary><c>era rollback-plan</c>: the script, but for its effect, which a real kernel shows.</summary>
public sealed class RollbackPlanTests : IAsyncLifetime
{
    private const string Table = "0 128 cache /dev/cache-meta /dev/fast /dev/nbd0 64 1 writeback smq 0";

    private ServedDisk _disk = null!;

    public async Task InitializeAsync() => _disk = await ServedDisk.StartAsync();

    public async Task DisposeAsync() => await _disk.DisposeAsync();

    [Fact]
    public void A_plan_is_a_script_with_every_command_in_it()
    {
        Assert.Equal(ExitCode.Done, CommandRun.Of("checkpoint", _disk.ControlSocket, "--label", "it's monday").ExitCode);

        CommandRun run = CommandRun.Of(
            "rollback-plan", _disk.ControlSocket, "--to", "it's monday", "--cache", "cache0", "--cache-table", Table, "--rollback-cmd", "roll back 7");

        Assert.Equal("", run.Error);
        string[] steps =
        [
            "dmsetup load 'cache0' --table '0 128 cache /dev/cache-meta /dev/fast /dev/nbd0 64 1 writeback cleaner 0'",
            "dmsetup load 'cache0' --table '0 128 cache /dev/cache-meta /dev/fast /dev/nbd0 64 1 passthrough smq 0'",
            "\nroll back 7\n",
            $"era message '{_disk.ControlSocket}' take_metadata_snap",
            $"era invalidate --metadata-snapshot --written-since 2 --cache '/dev/cache-meta' '{_disk.Device.Target.Table.MetadataPath}'",
            $"era message '{_disk.ControlSocket}' drop_metadata_snap",
            "dmsetup message 'cache0' 0 $message",
            $"dmsetup load 'cache0' --table '{Table}'",
        ];
        int at = 0;
        foreach (string step in steps)
        {
            int found = run.Output.IndexOf(step, at, StringComparison.Ordinal);
            Assert.True(found >= at, $"'{step}' is missing or out of order in\n{run.Output}");
            at = found;
        }

        using TempFolder folder = new();
        File.WriteAllText(folder["plan"], run.Output);
        Oracle.Run("bash", "-n", folder["plan"]).AssertSuccess();
    }

    [Theory]
    [InlineData("9", Table, "there is no era 9 to go back to")]
    [InlineData("0", Table, "there is no era 0 to go back to")]
    [InlineData("nowhere", Table, "'nowhere': no such label")]
    [InlineData("1", "0 128 linear /dev/a 0", "is no table of dm-cache")]
    public void What_cannot_be_rolled_back_is_refused(string to, string table, string expected)
    {
        string line = CommandRun.Of(
            "rollback-plan", _disk.ControlSocket, "--to", to, "--cache", "cache0", "--cache-table", table).FailedWith(ExitCode.Failed);

        Assert.Contains(expected, line, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_era_device_is_refused() => Assert.Contains("no such device is being served", CommandRun.Of(
        "rollback-plan", "/nowhere", "--to", "1", "--cache", "cache0", "--cache-table", Table).FailedWith(ExitCode.Failed), StringComparison.Ordinal);
}
