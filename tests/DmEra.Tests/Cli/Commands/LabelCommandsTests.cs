using System.Text.Json;
using DmEra.Cli;
using DmEra.Tests.Control;

namespace DmEra.Tests.Cli.Commands;

/// <summary>Labels, from the checkpoint that gives them to the commands that take them.</summary>
public sealed class LabelCommandsTests : IAsyncLifetime
{
    private ServedDisk _disk = null!;

    private string Metadata => _disk.Device.Target.Table.MetadataPath;

    public async Task InitializeAsync() => _disk = await ServedDisk.StartAsync();

    public async Task DisposeAsync() => await _disk.DisposeAsync();

    [Fact]
    public async Task A_label_is_taken_wherever_an_era_is()
    {
        _disk.WriteBlock(0);
        Assert.Equal("2\n", Succeed("checkpoint", _disk.ControlSocket, "--label", "before upgrade"));
        _disk.WriteBlock(7);
        Assert.Equal("3\n", Succeed("checkpoint", _disk.ControlSocket, "--label", "after"));
        _disk.WriteBlock(9);

        Assert.Equal("7 8\n9 10\n", Succeed("changed", _disk.ControlSocket, "--since", "before upgrade", "--format", "ranges"));
        JsonElement labels = JsonElement.Parse(Succeed("labels", _disk.ControlSocket, "--json"));
        Assert.Equal("before upgrade", labels[0].GetProperty("label").GetString());
        Assert.Equal(2, labels[0].GetProperty("era").GetInt32());

        _disk.Device.Stop();
        await _disk.Device.Stopped;
        Assert.Equal("9 10\n", Succeed("invalidate", Metadata, "--written-since", "after", "--format", "ranges"));
        Assert.EndsWith("  after\n", Succeed("labels", Metadata));
        Succeed("labels", Metadata, "--remove", "after");
        string line = CommandRun.Of("invalidate", Metadata, "--written-since", "after").FailedWith(ExitCode.Failed);
        Assert.Contains("'after': no such label, and no number", line, StringComparison.Ordinal);
        Assert.Contains("has 'before upgrade'", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_label_that_cannot_be_given_begins_no_era()
    {
        Succeed("checkpoint", _disk.ControlSocket, "--label", "taken");

        foreach (string label in (string[])["taken", "17"])
            CommandRun.Of("checkpoint", _disk.ControlSocket, "--label", label).FailedWith(ExitCode.Failed);

        Assert.Equal(2u, _disk.Device.Target.Status.CurrentEra);
    }

    [Fact]
    public void What_has_no_labels_is_named()
    {
        Assert.Empty(Succeed("labels", _disk.ControlSocket));
        Assert.Contains("neither a device", CommandRun.Of("labels", "/nowhere").FailedWith(ExitCode.Failed), StringComparison.Ordinal);
    }

    private static string Succeed(params string[] arguments)
    {
        CommandRun run = CommandRun.Of(arguments);
        Assert.True(run.ExitCode == ExitCode.Done, run.Error);
        Assert.Empty(run.Error);
        return run.Output;
    }
}
