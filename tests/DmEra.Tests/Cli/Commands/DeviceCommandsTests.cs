using System.Text.Json;
using DmEra.Cli;
using DmEra.Target.Mapping;
using DmEra.Tests.Control;

namespace DmEra.Tests.Cli.Commands;

/// <summary>The commands for a device in service, given the path of its control socket.</summary>
public sealed class DeviceCommandsTests : IAsyncLifetime
{
    private ServedDisk _disk = null!;

    public async Task InitializeAsync() => _disk = await ServedDisk.StartAsync();

    public async Task DisposeAsync() => await _disk.DisposeAsync();

    [Fact]
    public void Status_is_the_kernels_line() =>
        Assert.Equal($"{_disk.Device.Target.Status}\n", Succeed("status"));

    [Fact]
    public void Status_as_json_says_more()
    {
        JsonElement device = JsonElement.Parse(Succeed("status", "--json"));

        Assert.Equal("disk", device.GetProperty("name").GetString());
        Assert.Equal(_disk.ControlSocket, device.GetProperty("controlSocket").GetString());
    }

    [Fact]
    public void Table_is_a_line_that_serve_takes() =>
        Assert.Equal(_disk.Device.Target.Table.ToString(), EraTable.Parse(Succeed("table").TrimEnd('\n')).ToString());

    [Fact]
    public void Changes_since_a_checkpoint_are_listed_as_era_invalidate_does()
    {
        _disk.WriteBlock(0);
        Assert.Equal("2\n", Succeed("checkpoint"));
        _disk.WriteBlock(7);
        _disk.WriteBlock(8);

        Assert.Equal("<blocks>\n  <range begin=\"7\" end = \"9\"/>\n</blocks>\n", Succeed("changed", "--since", "2"));
        Assert.Equal("0 1\n7 9\n", Succeed("changed", "--since", "1", "--format", "ranges"));
        Assert.Contains("era 3 has not begun", CommandRun.Of("changed", _disk.ControlSocket, "--since", "3").FailedWith(ExitCode.Failed), StringComparison.Ordinal);
    }

    [Fact]
    public void Messages_pass_and_fail_with_the_targets_words()
    {
        Assert.Empty(Succeed("message", "TAKE_METADATA_SNAP"));
        string line = CommandRun.Of("message", _disk.ControlSocket, "take_metadata_snap").FailedWith(ExitCode.Failed);
        Assert.Contains("metadata snapshot already exists", line, StringComparison.Ordinal);

        line = CommandRun.Of("message", _disk.ControlSocket, "explode").FailedWith(ExitCode.Failed);
        Assert.Contains("unsupported message 'explode'", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_suspends_resumes_and_changes_its_size()
    {
        Assert.Empty(Succeed("suspend"));
        Assert.Equal(TargetState.Suspended, _disk.Device.Target.State);
        CommandRun.Of("checkpoint", _disk.ControlSocket).FailedWith(ExitCode.Failed);
        Assert.Empty(Succeed("resume"));
        Assert.Equal(TargetState.Active, _disk.Device.Target.State);
        Assert.Empty(Succeed("resize", "64s"));
        Assert.Equal(64, _disk.Device.Target.Table.LengthSectors);
    }

    [Fact]
    public void A_device_whose_metadata_failed_says_so_and_why()
    {
        _disk.IsDamaged = true;
        Succeed("suspend");
        string metadata = _disk.Device.Target.Table.MetadataPath;
        Oracle.Run("dd", "if=/dev/zero", $"of={metadata}", "bs=4096", "count=1", "conv=notrunc").AssertSuccess();

        CommandRun.Of("resume", _disk.ControlSocket).FailedWith(ExitCode.Failed);

        CommandRun status = CommandRun.Of("status", _disk.ControlSocket);
        Assert.Equal((ExitCode.Failed, "0 128 era Fail\n"), (status.ExitCode, status.Output));
        Assert.StartsWith("era: disk: the metadata failed: metadata block 0", status.Error, StringComparison.Ordinal);
        JsonElement device = JsonElement.Parse(CommandRun.Of("status", _disk.ControlSocket, "--json").Output);
        Assert.StartsWith("the metadata failed: metadata block 0", device.GetProperty("failureReason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_stopped_device_is_not_there_any_more()
    {
        Assert.Empty(Succeed("stop"));

        string line = CommandRun.Of("status", _disk.ControlSocket).FailedWith(ExitCode.Failed);
        Assert.Equal($"era: {_disk.ControlSocket}: no such device is being served; 'era ls' lists those that are", line);
    }

    private string Succeed(string command, params string[] arguments)
    {
        CommandRun run = CommandRun.Of([command, _disk.ControlSocket, .. arguments]);
        Assert.True(run.ExitCode == ExitCode.Done, run.Error);
        Assert.Empty(run.Error);
        return run.Output;
    }
}
