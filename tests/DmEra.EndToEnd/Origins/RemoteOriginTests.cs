using System.Runtime.InteropServices;
using System.Text.Json;
using DmEra.EndToEnd.Processes;
using DmEra.Tests;

namespace DmEra.EndToEnd.Origins;

/// <summary>Disks that lie on other people's NBD servers.</summary>
public sealed class RemoteOriginTests : IDisposable
{
    private const int Size = 16 << 20;

    // Keeps 16 writes in flight, of pages that hold their own number.
    private const string WritePages =
        """
        import json, random
        random.seed(1)
        acknowledged = set()

        def write():
            page = random.randrange(1, 4096)
            def done(error):
                assert error.value == 0
                acknowledged.add(page)
                return 1
            data = page.to_bytes(4, 'little') * 1024
            h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(data)), page * 4096, done)

        for i in range(count):
            while h.aio_in_flight() >= 16: h.poll(-1)
            write()
            if i % (count // 5) == count // 10: print('restart', flush=True); input()
        while h.aio_in_flight() > 0: h.poll(-1)
        h.flush()
        print(json.dumps(list(acknowledged)), flush=True)
        """;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("memory", "size=16M")]
    [InlineData("file", "disk")]
    [InlineData("file", "disk", "--filter=delay", "rdelay=2ms", "wdelay=2ms")]
    [InlineData("file", "disk", "--filter=noparallel", "serialize=connections")]
    [InlineData("file", "disk", "--filter=nozero", "--filter=noextents")]
    public void Nbdkit_serves_the_origin(params string[] arguments)
    {
        string disk = _folder.Sparse("disk", Size);
        using OriginServer origin = OriginServer.Nbdkit(
            _folder, [.. arguments.Select(argument => argument is "disk" ? disk : argument)]);

        WriteReadAndCompare(origin.Uri);
    }

    [Fact]
    public void Qemu_nbd_serves_the_origin()
    {
        using OriginServer origin = OriginServer.QemuNbd(_folder, _folder.Sparse("disk", Size));

        WriteReadAndCompare(origin.Uri);
    }

    [Fact]
    public void Over_tls_both_sides_show_their_certificates()
    {
        string pki = Certificates.Make(_folder["pki"]);
        using OriginServer origin = OriginServer.Nbdkit(
            _folder, "--tls=require", $"--tls-certificates={pki}", "--tls-verify-peer", "file", _folder.Sparse("disk", Size));

        WriteReadAndCompare($"nbds+unix:///?socket={origin.Socket}&tls-certificates={pki}");
        ProgramResult refused = EraServer.Run(_folder, "serve", origin.Uri, "--name", "disk", "--metadata", _folder["disk.era"]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("nbds instead of nbd", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_origin_that_grew_can_be_served_in_its_new_size()
    {
        string disk = _folder.Sparse("disk", Size);
        using OriginServer origin = OriginServer.Nbdkit(_folder, "file", disk);
        using EraServer server = Serve(origin.Uri);
        Oracle.NbdShell(server.Uri, "h.pwrite(b'x', 0)").AssertSuccess();
        Oracle.Run("truncate", "-s", "32M", disk).AssertSuccess();

        server.Command("resize", "disk", "32M");

        Oracle.NbdShell(server.Uri, "h.pwrite(b'x', (32 << 20) - 1)").AssertSuccess();
        server.Terminate();
        Oracle.EraCheck(_folder["disk.era"]);
    }

    [Fact]
    public void Holes_of_the_origin_are_holes_of_the_device()
    {
        using OriginServer origin = OriginServer.Nbdkit(_folder, "file", _folder.Sparse("disk", Size));
        using EraServer server = Serve(origin.Uri);
        Oracle.NbdShell(server.Uri, "h.pwrite(b'x' * 65536, 1 << 20)").AssertSuccess();

        string map = Oracle.Run("nbdinfo", "--map", server.Uri).AssertSuccess().Output;

        Assert.Matches(@"^\s*0\s+1048576\s+3\s+hole,zero\n\s*1048576\s+65536\s+0\s+data\n\s*1114112\s+15663104\s+3\s+hole,zero\s*$", map);
    }

    [Fact]
    public void Errors_of_the_origin_are_errors_of_the_device_and_of_nothing_else()
    {
        using OriginServer origin = OriginServer.Nbdkit(
            _folder, "--filter=error", "file", _folder.Sparse("disk", Size), "error=ENOSPC", "error-rate=100%", $"error-file={_folder["fail"]}");
        using EraServer server = Serve(origin.Uri);
        Oracle.NbdShell(server.Uri, "h.pwrite(b'kept', 0)").AssertSuccess();
        File.WriteAllText(_folder["fail"], "");

        ProgramResult write = Oracle.NbdShell(server.Uri, "h.pwrite(b'lost', 0)");
        Assert.NotEqual(0, write.ExitCode);
        Assert.Contains("No space left on device", write.Error, StringComparison.Ordinal);

        File.Delete(_folder["fail"]);
        Oracle.NbdShell(server.Uri, "assert h.pread(4, 0) == b'kept'; h.pwrite(b'last', 0)").AssertSuccess();
        server.Terminate();
        Assert.StartsWith("last", File.ReadAllText(_folder["disk"]), StringComparison.Ordinal);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void An_origin_that_is_killed_and_comes_back_under_load_costs_no_write(bool isQemu)
    {
        string disk = _folder.Sparse("disk", Size);
        using OriginServer origin = isQemu ? OriginServer.QemuNbd(_folder, disk) : OriginServer.Nbdkit(_folder, "file", disk);
        using EraServer server = Serve(origin.Uri);
        using RunningProgram load = new(
            "/usr/bin/python3", ["-m", "nbd", "-u", server.Uri, "-c", "count = 2000", "-c", WritePages]);
        TimeSpan limit = TimeSpan.FromSeconds(60);
        string? line;
        while ((line = load.ReadLine(limit)) is "restart")
        {
            load.WriteLine("");     // the load goes on while the server dies
            origin.Kill();
            origin.Restart();
        }

        uint[] pages = JsonSerializer.Deserialize<uint[]>(line ?? throw new InvalidOperationException(load.Errors))!;
        Assert.Empty(pages.Select(page => page / 16).Except(Oracle.Blocks(server.Changed("disk", 1))));
        server.Terminate();
        Oracle.EraCheck(_folder["disk.era"]);
        byte[] content = File.ReadAllBytes(disk);
        foreach (uint page in pages)
        {
            Span<uint> words = MemoryMarshal.Cast<byte, uint>(content.AsSpan((int)page * 4096, 4096));
            Assert.Equal(-1, words.IndexOfAnyExcept(page));
        }
    }

    [Fact]
    public void A_memory_that_loses_all_in_a_crash_gets_it_again()
    {
        using OriginServer origin = OriginServer.Nbdkit(_folder, "memory", "size=16M");
        using EraServer server = Serve(origin.Uri);
        Oracle.NbdShell(server.Uri, "h.pwrite(b'kept', 70000)").AssertSuccess();

        origin.Kill();
        origin.Restart();

        Oracle.NbdShell(server.Uri, "h.flush(); assert h.pread(4, 70000) == b'kept'").AssertSuccess();
    }

    [Fact]
    public void Origins_that_will_not_do_are_refused_in_one_line()
    {
        using OriginServer origin = OriginServer.Nbdkit(_folder, "--readonly", "memory", "size=16M");

        Assert.Contains("lets nobody write", Refusal(1, origin.Uri, "--metadata", _folder["disk.era"]), StringComparison.Ordinal);
        Assert.Contains("--metadata", Refusal(2, origin.Uri), StringComparison.Ordinal);
        Assert.Contains("no NBD URI", Refusal(2, "nbd://:x/", "--metadata", _folder["disk.era"]), StringComparison.Ordinal);
        Assert.Contains("cannot connect", Refusal(1, $"nbd+unix:///?socket={_folder["missing"]}", "--metadata", _folder["disk.era"]), StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["disk.era"]));

        string Refusal(int exitCode, params string[] arguments)
        {
            ProgramResult result = EraServer.Run(_folder, ["serve", .. arguments, "--name", "disk"]);
            Assert.Equal(exitCode, result.ExitCode);
            Assert.Matches(@"^era: [^\n]+\n$", result.Error);
            return result.Error;
        }
    }

    private void WriteReadAndCompare(string uri)
    {
        using EraServer server = Serve(uri);
        byte[] content = new byte[Size];
        new Random(1).NextBytes(content.AsSpan(1 << 20, 6 << 20));
        File.WriteAllBytes(_folder["source"], content);

        Oracle.Run("nbdcopy", "--flush", "--", _folder["source"], server.Uri).AssertSuccess();
        Oracle.Run("nbdcopy", "--", server.Uri, _folder["copy"]).AssertSuccess();
        Oracle.Run("cmp", _folder["source"], _folder["copy"]).AssertSuccess();
        Assert.Equal("2", server.Command("checkpoint", "disk"));
        Oracle.NbdShell(server.Uri, "h.zero(65536, 10 << 20); h.trim(65536, 11 << 20); h.cache(65536, 0); h.flush()").AssertSuccess();

        Assert.Equal([(160u, 161u), (176u, 177u)], server.Changed("disk", 2));
        Assert.Equal($"0 32768 era {_folder["disk.era"]} {uri} 128", server.Command("table", "disk"));
        server.Terminate();
        Oracle.EraCheck(_folder["disk.era"]);
        Oracle.Run("nbdcopy", "--", uri, _folder["there"]).AssertSuccess();
        Oracle.Run("cmp", _folder["copy"], _folder["there"]).AssertSuccess();
    }

    private EraServer Serve(string uri) =>
        EraServer.Start(_folder, uri, "--name", "disk", "--metadata", _folder["disk.era"]);
}
