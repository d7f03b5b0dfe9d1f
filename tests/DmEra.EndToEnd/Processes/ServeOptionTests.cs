using System.Globalization;
using System.Net.Sockets;
using System.Text;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>Who is let in, and how a service manager runs it.</summary>
public sealed class ServeOptionTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Where_tls_is_required_clients_show_a_certificate_or_get_nothing()
    {
        string pki = Certificates.Make(_folder["pki"]);
        using EraServer server = EraServer.Start(
            _folder, _folder["disk"], "--size", "16M", "--listen", "tcp:localhost:0",
            "--tls", "require", "--tls-certificates", pki, "--tls-verify-peer");
        string uri = server.Greeting[0];

        Assert.Matches(@"^nbds://localhost:\d+/disk$", uri);
        File.WriteAllText(_folder["secret"], "secret");
        Oracle.Run("nbdcopy", "--", _folder["secret"], $"{uri}?tls-certificates={pki}").AssertSuccess();
        Assert.Equal([(0u, 1u)], server.Changed("disk", 1));
        foreach (string refused in new[] { uri, uri.Replace("nbds:", "nbd:", StringComparison.Ordinal) })
            Assert.NotEqual(0, Oracle.Run("nbdinfo", "--size", refused).ExitCode);
    }

    [Fact]
    public void A_read_only_disk_is_read_and_asked_but_not_written()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "16M", "--read-only");

        Oracle.NbdShell(server.Uri, "assert h.is_read_only(); h.pread(512, 0)").AssertSuccess();
        ProgramResult write = Oracle.NbdShell(server.Uri, "h.set_strict_mode(0); h.pwrite(b'x', 0)");
        Assert.NotEqual(0, write.ExitCode);
        Assert.Contains("Operation not permitted", write.Error, StringComparison.Ordinal);
        Assert.Empty(server.Changed("disk", 1));
        Assert.Contains("clean", Oracle.Run("nbdinfo", "--map=qemu:dirty-bitmap:since-1", server.Uri).AssertSuccess().Output);
    }

    [Fact]
    public void Connections_are_limited()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "16M", "--max-connections", "2");

        ProgramResult third = Oracle.NbdShell(
            server.Uri, $"uri = '{server.Uri}'", "a = nbd.NBD(); a.connect_uri(uri)", "b = nbd.NBD(); b.connect_uri(uri)");

        Assert.NotEqual(0, third.ExitCode);
        Oracle.NbdShell(server.Uri, $"a = nbd.NBD(); a.connect_uri('{server.Uri}')").AssertSuccess();
    }

    [Theory]
    [InlineData("mount --bind \"$D\" \"$D\" && mount -o remount,ro,bind \"$D\"")]
    [InlineData("chmod 444 \"$D/disk\"")]
    public void A_disk_that_cannot_be_written_to_is_served_to_be_read(string lockIt)
    {
        Directory.CreateDirectory(_folder["disks"]);
        byte[] content = new byte[1 << 20];
        new Random(1).NextBytes(content);
        File.WriteAllBytes(_folder["disks/disk"], content);

        using (EraServer server = EraServer.StartThrough(
            _folder, $"D={_folder["disks"]}; {lockIt}", _folder["disks/disk"], "--metadata", _folder["disk.era"], "--read-only"))
        {
            Oracle.Run("nbdcopy", server.Uri, _folder["copy"]).AssertSuccess();
            Assert.Equal("2", server.Command("checkpoint", "disk"));
            server.Terminate();
        }

        Assert.Equal(content, File.ReadAllBytes(_folder["copy"]));
        Assert.Equal(content, File.ReadAllBytes(_folder["disks/disk"]));
        Oracle.EraCheck(_folder["disk.era"]);
    }

    [Fact]
    public void A_disk_is_not_its_own_metadata_for_readers_either()
    {
        _folder.Sparse("disk", 1 << 20);

        ProgramResult result = EraServer.Run(_folder, "serve", _folder["disk"], "--metadata", _folder["disk"], "--read-only");

        Assert.Equal($"era: {_folder["disk"]}: is the metadata device as well; give the metadata a file of its own\n", result.Error);
    }

    [Fact]
    public void A_disk_that_cannot_be_written_to_is_served_to_writers_by_nobody()
    {
        Directory.CreateDirectory(_folder["disks"]);
        File.WriteAllBytes(_folder["disks/disk"], new byte[1 << 20]);

        ProgramResult result = Oracle.Run(
            "unshare", "-rm", "sh", "-c", "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && exec \"$2\" serve \"$1/disk\" --metadata \"$3\"",
            "sh", _folder["disks"], EraServer.Program, _folder["disk.era"]);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("disks/disk: Read-only file system; an origin can be served with --read-only", result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["disk.era"]));
    }

    [Fact]
    public void The_standard_output_is_whose_who_passed_the_sockets()
    {
        byte[] content = new byte[1 << 20];
        new Random(1).NextBytes(content);
        File.WriteAllBytes(_folder["disk"], content);

        ProgramResult result = Oracle.Run(
            "sh", "-c", "ERA_RUNTIME_DIR=\"$1/run\" nbdcopy -- [ \"$2\" serve \"$1/disk\" ] - | cmp - \"$1/disk\"", "sh", _folder.Path, EraServer.Program);

        Assert.Equal((0, ""), (result.ExitCode, result.Output));
        Assert.EndsWith("ready\n", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_service_manager_can_open_the_socket_and_start_it_when_a_client_comes()
    {
        using RunningProgram manager = new(
            "systemd-socket-activate",
            ["-l", _folder["nbd.sock"], "-E", "ERA_RUNTIME_DIR", EraServer.Program, "serve", _folder["disk"], "--size", "16M"],
            ("ERA_RUNTIME_DIR", _folder["run"]));
        Eventually.Equal("True", () => $"{File.Exists(_folder["nbd.sock"])}", "the socket is there");

        Oracle.NbdShell($"nbd+unix:///disk?socket={_folder["nbd.sock"]}", "h.pwrite(b'x', 70000)").AssertSuccess();

        Assert.Equal("1 2\n", EraServer.Run(_folder, "changed", "disk", "--since", "1", "--format", "ranges").AssertSuccess().Output);
        EraServer.Run(_folder, "stop", "disk").AssertSuccess();
        Assert.True(File.Exists(_folder["nbd.sock"]), "the socket is the manager's");
        Oracle.EraCheck(_folder["disk.era"]);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_service_manager_learns_when_it_is_ready_and_when_it_stops(bool isAbstract)
    {
        string name = isAbstract ? $"era-test-{Environment.ProcessId}" : _folder["notify"];
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? $"\0{name}" : name));
        manager.ReceiveTimeout = 30_000;
        using RunningProgram era = new(
            EraServer.Program, ["serve", _folder["disk"], "--size", "16M"],
            ("ERA_RUNTIME_DIR", _folder["run"]), ("NOTIFY_SOCKET", isAbstract ? $"@{name}" : name));

        Assert.Equal("READY=1", Receive());
        Oracle.Run("nbdinfo", $"nbd+unix:///disk?socket={_folder["run"]}/disk.nbd").AssertSuccess();
        Oracle.Run("kill", era.Id.ToString(CultureInfo.InvariantCulture)).AssertSuccess();
        Assert.Equal("STOPPING=1", Receive());
        Assert.Equal(0, era.AwaitExit(TimeSpan.FromSeconds(30)));

        string Receive()
        {
            byte[] message = new byte[256];
            return Encoding.ASCII.GetString(message, 0, manager.Receive(message));
        }
    }

    [Fact]
    public void A_manager_that_cannot_be_told_does_not_keep_it_from_serving()
    {
        using EraServer server = EraServer.StartThrough(
            _folder, $"export NOTIFY_SOCKET={_folder["missing"]}", _folder["disk"], "--size", "16M");

        Oracle.Run("nbdinfo", server.Uri).AssertSuccess();
        server.Terminate();
    }
}
