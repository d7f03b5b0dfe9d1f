using System.Text.Json;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>How <c>era serve</c> starts, is found, and ends.</summary>
public sealed class ServeTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Greets_with_uris_that_can_be_pasted_and_ls_lists_them()
    {
        using EraServer first = EraServer.Start(_folder, _folder["a disk.img"], "--size", "16M");
        using EraServer second = EraServer.Start(
            _folder, _folder["b.img"], "--size", "1M", "--block-size", "4K", "--name", "b", "--listen", "tcp:127.0.0.1:0");

        Assert.Equal($"nbd+unix:///a%20disk.img?socket={_folder["run"]}/a%20disk.img.nbd", first.Greeting[0]);
        Assert.Equal($"try it: nbdinfo '{first.Greeting[0]}'", first.Greeting[1]);
        Assert.Matches(@"^nbd://127.0.0.1:[1-9]\d*/b$", second.Greeting[0]);
        foreach (EraServer server in new[] { first, second })
            Oracle.Run("nbdinfo", server.Greeting[0]).AssertSuccess();

        string[] rows = first.Command("ls").Split('\n');
        Assert.Equal(3, rows.Length);
        Assert.Matches(@"^NAME +STATE +SIZE +ERA +URI$", rows[0]);
        Assert.Matches($@"^a disk\.img +active +16M +1 +nbd\+unix:", rows[1]);
        Assert.Matches(@"^b +active +1M +1 +nbd://127\.0\.0\.1:", rows[2]);
        JsonElement devices = JsonElement.Parse(first.Command("ls", "--json"));
        Assert.Equal(second.ProcessId, devices[1].GetProperty("processId").GetInt32());
        Assert.Equal(second.Greeting[0], devices[1].GetProperty("endpoints")[0].GetString());
        Assert.Equal(devices[0].GetRawText(), JsonElement.Parse(first.Command("status", "a disk.img", "--json")).GetRawText()
            .Replace("\n", "\n  ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("my disk #1.img")]
    [InlineData("ünï-диск.img")]
    [InlineData("a?b&c=d.img")]
    [InlineData("100%.img")]
    [InlineData("it's\".img")]
    [InlineData("trailing ")]
    public void What_it_prints_can_be_pasted_whatever_the_disk_is_called(string name)
    {
        using EraServer server = EraServer.Start(_folder, _folder[name], "--size", "1M");

        Assert.Equal("1048576\n", Oracle.Run("nbdinfo", "--size", server.Greeting[0]).AssertSuccess().Output);
        Oracle.Run("bash", "-c", server.Greeting[1]["try it: ".Length..]).AssertSuccess();
        Assert.Equal("2", server.Command("checkpoint", name));
        server.Command("stop", name);
    }

    [Fact]
    public void The_last_era_is_followed_by_none()
    {
        _folder.Sparse("disk", 1 << 20);
        RestoreAt(4294967295);
        ProgramResult refused = EraServer.Run(_folder, "serve", _folder["disk"]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("no era number is left", refused.Error, StringComparison.Ordinal);
        Oracle.EraCheck(_folder["disk.era"]);

        RestoreAt(4294967293);
        using EraServer server = EraServer.Start(_folder, _folder["disk"]);
        Assert.Equal("4294967295", server.Command("checkpoint", "disk"));
        Assert.Contains("no era number is left", EraServer.Run(_folder, "checkpoint", "disk").Error, StringComparison.Ordinal);
        Oracle.Run("qemu-io", "-f", "raw", "-c", "write 0 64k", server.Uri).AssertSuccess();
        Assert.Equal([(0u, 1u)], server.Changed("disk", 4294967295));
        server.Command("stop", "disk");
        Oracle.EraCheck(_folder["disk.era"]);
    }

    [Fact]
    public void Sockets_are_their_owners_only()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk.img"], "--size", "16M");
        const UnixFileMode OwnerReadsAndWrites = UnixFileMode.UserRead | UnixFileMode.UserWrite;

        Assert.Equal(OwnerReadsAndWrites | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder["run"]));
        Assert.Equal(OwnerReadsAndWrites, File.GetUnixFileMode(Path.Combine(_folder["run"], "disk.img.nbd")));
        Assert.Equal(OwnerReadsAndWrites, File.GetUnixFileMode(Path.Combine(_folder["run"], "disk.img.ctl")));
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("HUP")]
    public void A_signal_ends_it_in_good_order(string signal)
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk.img"], "--size", "16M");
        Oracle.NbdShell(server.Uri, "h.pwrite(b'x', 0)").AssertSuccess();
        Oracle.Run("sh", "-c", $"kill -{signal} {server.ProcessId}").AssertSuccess();

        Assert.Equal(0, server.AwaitExit());
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder["run"]));
        Oracle.EraCheck(_folder["disk.img.era"]);
        Assert.Equal([(0u, 1u)], Oracle.EraInvalidate(_folder["disk.img.era"], 1));
    }

    [Fact]
    public async Task A_suspended_device_with_a_request_waiting_can_be_stopped()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk.img"], "--size", "16M");
        server.Command("suspend", "disk.img");
        Task<ProgramResult> waiting = Task.Run(() => Oracle.NbdShell(server.Uri, "h.pwrite(b'x', 0)"));
        Eventually.Equal("1", () => Connections(server), "a client connects");

        server.Command("stop", "disk.img");

        Assert.Equal(0, server.AwaitExit());
        Assert.NotEqual(0, (await waiting).ExitCode);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder["run"]));
    }

    [Fact]
    public void What_a_crash_leaves_is_told_apart_and_replaced()
    {
        using (EraServer crashed = EraServer.Start(_folder, _folder["crashed.img"], "--size", "16M")) crashed.Kill();
        using EraServer alive = EraServer.Start(_folder, _folder["alive.img"], "--size", "16M");

        ProgramResult list = EraServer.Run(_folder, "ls");
        Assert.Equal(0, list.ExitCode);
        Assert.Contains("\nalive.img ", list.Output, StringComparison.Ordinal);
        Assert.Equal(
            $"era: {_folder["run"]}/crashed.img.ctl: nobody serves there any more; start it again with 'era serve'\n",
            list.Error);

        using EraServer again = EraServer.Start(_folder, _folder["crashed.img"]);
        Assert.Equal(3, alive.Command("ls").Split('\n').Length);
        Oracle.Run("nbdinfo", again.Uri).AssertSuccess();
    }

    [Fact]
    public void A_name_in_use_is_refused_and_nothing_is_made()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk.img"], "--size", "16M");

        ProgramResult refused = EraServer.Run(
            _folder, "serve", _folder["other.img"], "--size", "16M", "--name", "disk.img");

        Assert.Equal(1, refused.ExitCode);
        Assert.Equal(
            $"era: {_folder["run"]}/disk.img.ctl: another server listens there; stop it, or choose another name or path\n",
            refused.Error);
        Assert.False(File.Exists(_folder["other.img"]));
        Oracle.Run("nbdinfo", server.Uri).AssertSuccess();
    }

    [Fact]
    public void A_start_that_fails_leaves_nothing_behind()
    {
        string[] before = [_folder.Sparse("occupied", 16 << 20)];
        foreach (string[] options in new string[][]
        {
            ["--listen", $"unix:{_folder["occupied"]}"],
            ["--listen", $"unix:{_folder["missing/socket"]}"],
            ["--listen", $"unix:{_folder[new string('x', 120)]}"],
            ["--listen", "tcp:192.0.2.1:10809"],
            ["--control", _folder["missing/socket"]],
            ["--metadata", _folder["missing/metadata"]],
            ["--metadata", _folder["disk.img"]],
            ["--block-size", "12s"],
        })
        {
            ProgramResult failed = EraServer.Run(_folder, ["serve", _folder["disk.img"], "--size", "16M", .. options]);

            Assert.True(failed.ExitCode is 1 or 2, failed.Command);
            Assert.Empty(failed.Output);
            Assert.Matches(@"^era: [^\n]+\n$", failed.Error);
            Assert.DoesNotContain("internal error", failed.Error, StringComparison.Ordinal);
            Assert.Equal(before, Directory.EnumerateFiles(_folder.Path));
        }
    }

    [Fact]
    public void Clients_see_a_device_grow_when_they_connect_anew()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk.img"], "--size", "16M");
        Oracle.Run("truncate", "-s", "32M", _folder["disk.img"]).AssertSuccess();
        server.Command("resize", "disk.img", "32M");

        Assert.Equal($"{32 << 20}", Oracle.Run("nbdinfo", "--size", server.Uri).AssertSuccess().Output.Trim());
        string map = Oracle.Run("nbdinfo", "--map", server.Uri).AssertSuccess().Output;
        Assert.Matches(@"^\s*0\s+33554432\s+3\s+hole,zero\s*$", map);
        Oracle.NbdShell(server.Uri, $"h.pwrite(b'x', {24 << 20})").AssertSuccess();
        Assert.Equal([(256u, 512u)], server.Changed("disk.img", 2));
    }

    [Fact]
    public void Curl_can_do_what_the_commands_do()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk.img"], "--size", "16M");
        string control = Path.Combine(_folder["run"], "disk.img.ctl");

        Assert.Contains("\"currentEra\": 1,", Curl("http://era/v1/device"), StringComparison.Ordinal);
        Assert.StartsWith("{\n  \"era\": 2,\n  \"mark\": \"", Curl("-X", "POST", "http://era/v1/device/checkpoint"), StringComparison.Ordinal);
        Assert.Equal("<blocks>\n</blocks>\n", Curl("http://era/v1/device/changed?since=1&format=xml"));
        Assert.Empty(Curl("-d", """{"message":"take_metadata_snap"}""", "http://era/v1/device/messages"));
        Assert.Equal("3", server.Command("status", "disk.img").Split(' ')[^2]);
        Assert.Empty(Curl("-X", "POST", "http://era/v1/device/stop"));
        Assert.Equal(0, server.AwaitExit());

        string Curl(params string[] arguments) =>
            Oracle.Run("curl", ["-sS", "--fail", "--unix-socket", control, .. arguments]).AssertSuccess().Output;
    }

    [Theory]
    [InlineData("--version")]
    [InlineData("serve", "--help")]
    [InlineData("ls")]
    public void Small_commands_load_no_web_server(params string[] arguments)
    {
        string trace = _folder["trace"];
        Oracle.Run("env", [$"ERA_RUNTIME_DIR={_folder["run"]}", "strace", "-f", "-e", "trace=openat", "-o", trace,
            EraServer.Program, .. arguments]).AssertSuccess();

        Assert.Contains("System.CommandLine.dll", File.ReadAllText(trace), StringComparison.Ordinal);
        Assert.DoesNotMatch(@"/Microsoft\.AspNetCore\.[\w.]+\.dll", File.ReadAllText(trace));
    }

    private static string Connections(EraServer server) =>
        JsonElement.Parse(server.Command("status", "disk.img", "--json")).GetProperty("connections").GetRawText();

    private void RestoreAt(uint era)
    {
        File.Delete(_folder["disk.era"]);
        File.WriteAllText(_folder["xml"], $"""<superblock uuid="" block_size="128" nr_blocks="16" current_era="{era}"><era_array/></superblock>""");
        EraServer.Run(_folder, "restore", "-q", "-i", _folder["xml"], "-o", _folder["disk.era"]).AssertSuccess();
    }
}
