using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DmEra.EndToEnd.Origins;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>One process that serves the devices of a configuration.</summary>
public sealed class DaemonTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Devices_of_one_process_share_a_socket_and_are_found_by_name_and_by_what_they_serve()
    {
        using EraServer server = Start(Device("disk1"), Device("disk2"));

        Assert.Equal(
            [$"nbd+unix:///disk1?socket={_folder["run"]}/era.nbd", $"nbd+unix:///disk2?socket={_folder["run"]}/era.nbd"], server.Greeting);
        string list = Oracle.Run("nbdinfo", "--list", Uri("")).AssertSuccess().Output;
        Assert.Contains("export=\"disk1\"", list, StringComparison.Ordinal);
        Assert.Contains("export=\"disk2\"", list, StringComparison.Ordinal);
        Write("disk2");

        Assert.Equal("2", server.Command("checkpoint", "disk2", "--label", "then"));
        Assert.Equal([(0u, 16u)], server.Changed("disk2", 1));
        Assert.Equal("3", server.Command("checkpoint", _folder["disk2.img"]));
        Assert.Matches(@"^0 32768 era 8 \d+/1024 1 -$", server.Command("status", "disk1"));
        Assert.EndsWith("then", server.Command("labels", "disk2"));
        JsonElement devices = JsonElement.Parse(server.Command("ls", "--json"));
        Assert.Equal(["disk1", "disk2"], devices.EnumerateArray().Select(device => device.GetProperty("name").GetString()));
        Assert.All(devices.EnumerateArray(), device => Assert.Equal(server.ProcessId, device.GetProperty("processId").GetInt32()));

        // No person types that, and no script means another device tomorrow.
        Assert.Equal(
            "era: disk: no such device is being served; 'era ls' lists those that are; did you mean 'disk1'?\n",
            EraServer.Run(_folder, "status", "disk").Error);
        Assert.Contains($"disk: may be any of disk1 ({_folder["disk1.img"]}), disk2 ({_folder["disk2.img"]})", Typed("status disk"), StringComparison.Ordinal);
        Assert.Contains("no such device", Typed("status dusk"), StringComparison.Ordinal);
        server.Command("detach", "disk2");
        Assert.Contains("0 32768 era 8 ", Typed("status di"), StringComparison.Ordinal);
        Assert.Contains("era: di: taken for disk1", Typed("status di"), StringComparison.Ordinal);
        foreach (string command in new[] { "checkpoint di", "changed di --since 1", "stop di", "status di | cat" })
            Assert.Contains("di: no such device is being served", Typed(command), StringComparison.Ordinal);
        server.Terminate();
        Oracle.EraCheck(_folder["disk1.img.era"]);
        Oracle.EraCheck(_folder["disk2.img.era"]);
    }

    [Fact]
    public void A_backup_takes_a_device_of_many_by_its_name()
    {
        using EraServer server = Start(Device("disk1"), Device("disk2"));
        Write("disk2");

        server.Command("backup", "disk2", "--to", _folder["repository"]);
        server.Command("restore-image", _folder["repository"], "--to", _folder["restored"]);
        Oracle.Run("cmp", _folder["restored"], _folder["disk2.img"]).AssertSuccess();
    }

    [Fact]
    public void A_check_tells_all_errors_and_starts_nothing()
    {
        File.WriteAllText(_folder["era.toml"], "[devices.one]\norgin = \"one\"\n\n[devices.two]\nsize = 7\n");

        foreach (string[] options in new string[][] { ["--check"], [] })
        {
            ProgramResult result = EraServer.Run(_folder, ["serve", "--config", _folder["era.toml"], .. options]);
            Assert.Equal(1, result.ExitCode);
            Assert.Equal(
                $"era: {_folder["era.toml"]}:2: there is no setting 'orgin' here; did you mean 'origin'?\n"
                    + $"era: {_folder["era.toml"]}:4: give an origin or a table\n",
                result.Error);
        }

        File.WriteAllText(_folder["era.toml"], Device("disk1"));
        Assert.Equal("", EraServer.Run(_folder, "serve", "--config", _folder["era.toml"], "--check").AssertSuccess().Error);
        Assert.Equal(["era.toml"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void Devices_come_and_go_while_clients_of_others_go_on()
    {
        using EraServer server = Start(Device("disk1"));
        using RunningProgram client = Client("disk1");

        Assert.Equal($"{Uri("extra")}", server.Command("attach", "extra", _folder["extra.img"], "--size", "16M"));
        Assert.Contains("attached already", Failed("attach", "extra", _folder["other.img"], "--size", "16M"), StringComparison.Ordinal);
        Assert.Contains("in use by extra already", Failed("attach", "other", _folder["extra.img"]), StringComparison.Ordinal);
        Assert.Contains("clients are connected (1)", Failed("detach", "disk1"), StringComparison.Ordinal);
        server.Command("detach", "extra");
        Assert.Contains("no such device", Failed("detach", "extra"), StringComparison.Ordinal);
        Oracle.EraCheck(_folder["extra.img.era"]);

        Assert.Equal("still there", Ask(client, "h.pwrite(b'x' * 512, 0); print('still there', flush=True)"));
        server.Command("detach", "disk1", "--force");
        Assert.Equal("", server.Command("ls"));
        server.Terminate();
    }

    [Fact]
    public void Stopping_one_of_many_leaves_the_process_to_the_others()
    {
        using EraServer server = Start(Device("disk1"), Device("disk2"));

        server.Command("stop", "disk1");
        Oracle.EraCheck(_folder["disk1.img.era"]);
        server.Command("status", "disk2");
        server.Terminate();
    }

    [Fact]
    public void A_reload_applies_what_changed_and_tells_what_cannot_be()
    {
        using EraServer server = Start(Device("disk1"));
        using RunningProgram client = Client("disk1");

        Configure(Device("disk1"), Device("disk2"));
        Assert.Equal("disk2: attached", server.Command("reload"));
        Configure(Device("disk1") + "read-only = true\n", Device("disk2"));
        Assert.Contains("disk1: read-only cannot be changed while it is served", Failed("reload"), StringComparison.Ordinal);
        Configure("nonsense\n");
        Assert.Contains($"{_folder["era.toml"]}:", Failed("reload"), StringComparison.Ordinal);

        Configure(Device("disk1"), Device("disk3"));
        Oracle.Run("kill", "-HUP", $"{server.ProcessId}").AssertSuccess();
        Eventually.Equal("disk1 disk3", () => Names(server), "the devices after SIGHUP");
        Assert.Equal("still there", Ask(client, "h.pwrite(b'x' * 512, 0); print('still there', flush=True)"));
        server.Terminate();
    }

    [Fact]
    public void The_service_manager_is_told_of_a_reload()
    {
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(_folder["notify"]));
        manager.ReceiveTimeout = (int)Limit.TotalMilliseconds;
        Configure(Device("disk1"));
        using RunningProgram program = new(
            EraServer.Program,
            ["serve", "--config", _folder["era.toml"]],
            ("ERA_RUNTIME_DIR", _folder["run"]), ("NOTIFY_SOCKET", _folder["notify"]));
        Assert.Equal("READY=1", Receive(manager));

        long before = Now();
        Oracle.Run("kill", "-HUP", $"{program.Id}").AssertSuccess();
        string[] reloading = Receive(manager).Split('\n');
        Assert.Equal("RELOADING=1", reloading[0]);
        Assert.InRange(long.Parse(reloading[1]["MONOTONIC_USEC=".Length..], CultureInfo.InvariantCulture), before, Now());
        Assert.Equal("READY=1", Receive(manager));
    }

    [Fact]
    public void A_device_whose_origin_hangs_is_not_noticed_by_its_neighbours()
    {
        using OriginServer origin = OriginServer.Nbdkit(_folder, "memory", "16M", "--filter=delay", "delay-write=600");
        using EraServer server = Start(
            Device("disk1"), $"[devices.slow]\norigin = \"{origin.Uri}\"\nmetadata = \"slow.era\"\n");
        // More than all workers of one device.
        using RunningProgram flood = Client("slow");
        flood.WriteLine("[h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(4096)), i * 65536) for i in range(100)]; print('under way', flush=True)");
        Assert.Equal("under way", Answer(flood));

        Oracle.Run(Limit, "qemu-io", "-f", "raw", "-c", "write 0 1M", "-c", "flush", "-c", "read 0 1M", Uri("disk1")).AssertSuccess();
        Assert.Equal("2", server.Command("checkpoint", "disk1"));
        Assert.Equal($"{Uri("extra")}", server.Command("attach", "extra", _folder["extra.img"], "--size", "16M"));
        server.Command("detach", "extra");
    }

    private static string Device(string name) => $"[devices.{name}]\norigin = \"{name}.img\"\nsize = \"16M\"\n";

    private static string Receive(Socket socket)
    {
        byte[] message = new byte[200];
        return Encoding.ASCII.GetString(message, 0, socket.Receive(message));
    }

    // As systemd reads it.
    private static long Now() => System.Diagnostics.Stopwatch.GetTimestamp() / (System.Diagnostics.Stopwatch.Frequency / 1_000_000);

    private static string Names(EraServer server) => string.Join(' ', JsonElement.Parse(server.Command("ls", "--json")).EnumerateArray()
        .Select(device => device.GetProperty("name").GetString()));

    private static string Answer(RunningProgram client)
    {
        string? line = client.ReadLine(Limit);
        Assert.NotNull(line);
        return line;
    }

    private static string Ask(RunningProgram client, string script)
    {
        client.WriteLine(script);
        return Answer(client);
    }

    // A client that stays connected and does what it is told, line by line.
    private RunningProgram Client(string export)
    {
        RunningProgram client = new("/usr/bin/python3", ["-m", "nbd", "-u", Uri(export), "-c", "print('connected', flush=True)", "-c", "import sys\nfor line in sys.stdin: exec(line)"]);
        Assert.Equal("connected", Answer(client));
        return client;
    }

    private void Write(string export) =>
        Oracle.Run("qemu-io", "-f", "raw", "-c", "write -P 7 0 1M", Uri(export)).AssertSuccess();

    private string Uri(string export) => $"nbd+unix:///{export}?socket={_folder["run"]}/era.nbd";

    private string Failed(params string[] arguments)
    {
        ProgramResult result = EraServer.Run(_folder, arguments);
        Assert.Equal(1, result.ExitCode);
        return result.Error;
    }

    // What a person at a terminal gets to see, whose shell knows of pipes.
    private string Typed(string command) => Oracle.Run(
        "script", "-qc", $"env ERA_RUNTIME_DIR={_folder["run"]} {EraServer.Program} {command}", "/dev/null").Output;

    private void Configure(params string[] devices) => File.WriteAllText(_folder["era.toml"], string.Join('\n', devices));

    private EraServer Start(params string[] devices)
    {
        Configure(devices);
        return EraServer.Start(_folder, "--config", _folder["era.toml"]);
    }
}
