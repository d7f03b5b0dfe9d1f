using DmEra.EndToEnd.Origins;
using DmEra.EndToEnd.Processes;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>Backups of a device that is served and written to all the time.</summary>
public sealed class ServedDeviceTests : IDisposable
{
    private const long DiskLength = 8 << 20;

    private readonly TempFolder _folder = new();

    private string Repository => _folder["repository"];

    [Fact]
    public void Each_image_is_of_one_moment()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "8M");
        using CountingWriter writer = new(server, DiskLength);
        List<long> moments = [];
        for (int image = 1; image <= 3; image++)
        {
            writer.Await(20_000);
            string taken = server.Command("backup", "disk", "--to", Repository);
            Assert.StartsWith($"image {image}: {(image == 1 ? "full" : $"on top of image {image - 1}")}, ", taken);
            Assert.Contains("crash-consistent", taken, StringComparison.Ordinal);
            Assert.Contains("writes waited for", taken, StringComparison.Ordinal);
        }

        for (int image = 1; image <= 3; image++)
        {
            string restored = _folder[$"restored{image}"];
            server.Command("restore-image", Repository, "--at", $"{image}", "--to", restored);
            moments.Add(writer.AssertIsOfOneMoment(restored));
        }

        Assert.Equal(moments.Order(), moments);
        Assert.True(moments[0] >= 20_000);
        Assert.StartsWith("all is well", server.Command("verify", Repository));
    }

    [Fact]
    public void A_snapshot_of_the_users_own_is_of_one_moment()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "8M");
        using CountingWriter writer = new(server, DiskLength);
        writer.Await(20_000);

        string taken = server.Command(
            "backup", _folder["run/disk.ctl"], "--to", Repository,
            "--snapshot-cmd", $"cp \"$ERA_ORIGIN\" {_folder["snapshot"]} && echo {_folder["snapshot"]}",
            "--release-cmd", $"rm {_folder["snapshot"]}",
            "--freeze-cmd", "echo frozen", "--thaw-cmd", "echo thawed");

        Assert.Contains("with its users brought to rest", taken, StringComparison.Ordinal);
        Assert.DoesNotContain("thawed", taken, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["snapshot"]));
        server.Command("restore-image", Repository, "--to", _folder["restored"]);
        writer.AssertIsOfOneMoment(_folder["restored"]);
    }

    [Fact]
    public void Snapshots_made_below_a_cache_of_the_origin_have_what_was_written_before()
    {
        string disk = _folder.Sparse("disk", DiskLength);
        using OriginServer origin = OriginServer.Nbdkit(_folder, "--filter=cache", "file", disk);
        using EraServer server = EraServer.Start(_folder, origin.Uri, "--name", "disk", "--metadata", _folder["eras"]);

        Oracle.NbdShell(server.Uri, "h.pwrite(b'first', 0)").AssertSuccess();
        server.Command("checkpoint", "disk", "--label", "here");
        Assert.StartsWith("first", File.ReadAllText(disk), StringComparison.Ordinal);

        Oracle.NbdShell(server.Uri, "h.pwrite(b'later', 0)").AssertSuccess();
        server.Command(
            "backup", "disk", "--to", Repository, "--snapshot-cmd", $"cp {disk} {_folder["snapshot"]}; echo {_folder["snapshot"]}");
        server.Command("restore-image", Repository, "--to", _folder["restored"]);
        Assert.StartsWith("later", File.ReadAllText(_folder["restored"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_goes_on_when_the_backup_that_held_it_up_is_killed()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "8M");
        using CountingWriter writer = new(server, DiskLength);
        writer.Await(10);
        server.Command("backup", "disk", "--to", Repository);
        Oracle.Run("mkfifo", _folder["never"]).AssertSuccess();
        using (RunningProgram backup = new(
            EraServer.Program,
            [
                "backup", "disk", "--to", Repository, "--freeze-cmd", "true", "--thaw-cmd", $"echo thawed > {_folder["thawed"]}",
                "--snapshot-cmd", $"echo > {_folder["begun"]}; cat {_folder["never"]}",
                "--release-cmd", $"echo released > {_folder["released"]}",
            ],
            ("ERA_RUNTIME_DIR", _folder["run"])))
        {
            Eventually.Equal("True", () => $"{File.Exists(_folder["begun"])}", "the snapshot command");
            Assert.Contains("paused", server.Command("ls"), StringComparison.Ordinal);

            backup.Kill();
        }

        writer.Await(20_000);
        Eventually.Equal("thawed\n", () => Read("thawed"), "thaw");
        Eventually.Equal("released\n", () => Read("released"), "release");
        // Lets the command that was left alone end.
        File.WriteAllText(_folder["never"], "");
        Assert.StartsWith("image 2: on top of image 1", server.Command("backup", "disk", "--to", Repository));
        server.Command("restore-image", Repository, "--to", _folder["restored"]);
        writer.AssertIsOfOneMoment(_folder["restored"]);
    }

    [Fact]
    public void A_command_that_does_not_end_is_ended_with_the_backup()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "8M");
        Oracle.Run("mkfifo", _folder["never"]).AssertSuccess();
        using RunningProgram backup = new(
            EraServer.Program,
            [
                "backup", "disk", "--to", Repository, "--freeze-cmd", $"echo > {_folder["begun"]}; cat {_folder["never"]}",
                "--thaw-cmd", $"echo thawed > {_folder["thawed"]}",
            ],
            ("ERA_RUNTIME_DIR", _folder["run"]));
        Eventually.Equal("True", () => $"{File.Exists(_folder["begun"])}", "the freeze command");

        Oracle.Run("kill", "-TERM", $"{backup.Id}").AssertSuccess();

        Assert.Equal(1, backup.AwaitExit(TimeSpan.FromSeconds(30)));
        Assert.Equal("era: interrupted\n", backup.Errors);
        Assert.Equal("thawed\n", Read("thawed"));
    }

    [Fact]
    public void A_device_that_cannot_be_meant_is_refused()
    {
        // Its runtime folder is another one.
        using TempFolder elsewhere = new();
        using EraServer unknown = EraServer.Start(elsewhere, _folder["other"], "--size", "8M");
        string byPath = Fail("backup", _folder["other"], "--to", Repository);
        Assert.Contains("in use by another program; if it is being served, call it by its name in 'era ls'", byPath, StringComparison.Ordinal);

        string hooks = Fail("backup", _folder["other"], "--to", Repository, "--freeze-cmd", "true");
        Assert.Contains("there is nothing to run commands around", hooks, StringComparison.Ordinal);

        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "8M", "--name", "served");
        server.Command("suspend", "served");
        foreach (string device in new[] { "served", _folder["disk"] })
            Assert.Contains("'era resume served' first", Fail("backup", device, "--to", Repository), StringComparison.Ordinal);
        Assert.False(Directory.Exists(Repository));
    }

    public void Dispose() => _folder.Dispose();

    private string Read(string name) => File.Exists(_folder[name]) ? File.ReadAllText(_folder[name]) : "";

    private string Fail(params string[] arguments)
    {
        ProgramResult result = EraServer.Run(_folder, arguments);
        Assert.Equal(1, result.ExitCode);
        return result.Error;
    }
}
