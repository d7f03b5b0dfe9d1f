using System.Text.Json;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>Other people's NBD clients on a served disk. In the end each of them must have left sound metadata.</summary>
public sealed class NbdClientTests : IDisposable
{
    private const int DiskBytes = 64 << 20;

    private readonly TempFolder _folder = new();
    private readonly EraServer _server;

    public NbdClientTests() => _server = EraServer.Start(
        _folder, _folder["disk.img"], "--size", "64M", "--listen", $"unix:{_folder["nbd"]}", "--listen", "tcp:127.0.0.1:0");

    public void Dispose()
    {
        _server.Terminate();
        Oracle.EraCheck(_folder["disk.img.era"]);
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Nbdinfo_describes_the_export()
    {
        using JsonDocument info = JsonDocument.Parse(Oracle.Run("nbdinfo", "--json", _server.Uri).AssertSuccess().Output);
        JsonElement export = info.RootElement.GetProperty("exports")[0];

        Assert.Equal("newstyle-fixed", info.RootElement.GetProperty("protocol").GetString());
        Assert.Equal("disk.img", export.GetProperty("export-name").GetString());
        Assert.Equal(DiskBytes, export.GetProperty("export-size").GetInt64());
        Assert.False(export.GetProperty("is_read_only").GetBoolean());
        foreach (string ability in (string[])["can_flush", "can_fua", "can_trim", "can_zero", "can_multi_conn", "can_cache"])
            Assert.True(export.GetProperty(ability).GetBoolean(), ability);
        Assert.Contains("base:allocation", export.GetProperty("contexts").ToString(), StringComparison.Ordinal);
        Assert.Contains("disk.img", Oracle.Run("nbdinfo", "--list", _server.Uri).AssertSuccess().Output, StringComparison.Ordinal);
        Oracle.Run("nbdinfo", _server.Uri.Replace("/disk.img?", "/?", StringComparison.Ordinal)).AssertSuccess();
    }

    [Fact]
    public void Nbdinfo_maps_what_is_allocated()
    {
        Oracle.NbdShell(_server.Uri, "h.pwrite(b'x' * 1048576, 16 * 1048576)").AssertSuccess();

        string map = Oracle.Run("nbdinfo", "--map", "--json", _server.Uri).AssertSuccess().Output;

        using JsonDocument extents = JsonDocument.Parse(map);
        Assert.Equal(
            [(0L, 3), (16L << 20, 0), (17L << 20, 3)],
            extents.RootElement.EnumerateArray().Select(extent =>
                (extent.GetProperty("offset").GetInt64(), extent.GetProperty("type").GetInt32())));
    }

    [Fact]
    public void Nbdcopy_copies_in_and_out()
    {
        byte[] content = new byte[DiskBytes];
        new Random(1).NextBytes(content.AsSpan(0, DiskBytes / 2));
        File.WriteAllBytes(_folder["in"], content);

        Oracle.Run("nbdcopy", "--flush", _folder["in"], _server.Uri).AssertSuccess();
        Oracle.Run("nbdcopy", _server.Uri, _folder["out"]).AssertSuccess();

        Oracle.Run("cmp", _folder["in"], _folder["out"]).AssertSuccess();
        Oracle.Run("cmp", _folder["in"], _folder["disk.img"]).AssertSuccess();
    }

    [Fact]
    public void Nbdsh_reads_what_it_wrote_at_odd_places() => Oracle.NbdShell(
        _server.Uri,
        """
        h.pwrite(b'hello', 65533)
        assert h.pread(7, 65532) == b'\0hello\0'
        h.pwrite(b'x' * 70000, 100001, nbd.CMD_FLAG_FUA)
        h.zero(50000, 110000)
        assert h.pread(70000, 100001) == b'x' * 9999 + b'\0' * 50000 + b'x' * 10001
        h.zero(1000, 100001, nbd.CMD_FLAG_NO_HOLE)
        assert h.pread(1001, 100001) == b'\0' * 1000 + b'x'
        h.trim(1048576, 2097152)
        h.cache(65536, 0)
        h.flush()
        for wrong in (lambda: h.pread(1, h.get_size()), lambda: h.pwrite(b'xx', h.get_size() - 1)):
            try: wrong()
            except nbd.Error: continue
            raise AssertionError('a request behind the end was served')
        h.pread(1, 0)
        """).AssertSuccess();

    [Fact]
    public void Qemu_img_converts_and_compares()
    {
        Oracle.Run("qemu-img", "create", "-q", "-f", "raw", _folder["source"], "64M").AssertSuccess();
        Oracle.Run("qemu-io", "-f", "raw", "-c", "write -P 7 1M 9M", "-c", "write -P 9 63M 1M", _folder["source"]).AssertSuccess();

        Oracle.Run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", _folder["source"], _server.Uri).AssertSuccess();

        Oracle.Run("qemu-img", "compare", "-f", "raw", "-F", "raw", _folder["source"], _server.Uri).AssertSuccess();
        Assert.Contains("64 MiB", Oracle.Run("qemu-img", "info", _server.Uri).AssertSuccess().Output, StringComparison.Ordinal);
        using JsonDocument map = JsonDocument.Parse(
            Oracle.Run("qemu-img", "map", "--output=json", "-f", "raw", _server.Uri).AssertSuccess().Output);
        Assert.Equal(DiskBytes, map.RootElement.EnumerateArray().Sum(extent => extent.GetProperty("length").GetInt64()));
    }

    [Fact]
    public void Qemu_io_reads_its_patterns_back()
    {
        string output = Oracle.Run(
            "qemu-io", "-f", "raw",
            "-c", "write -P 0xab 0 1M", "-c", "write -f -P 0xcd 512k 4k", "-c", "write -z 768k 64k", "-c", "discard 1M 1M",
            "-c", "flush",
            "-c", "read -P 0xab 0 512k", "-c", "read -P 0xcd 512k 4k", "-c", "read -P 0 768k 64k", "-c", "read -P 0xab 832k 192k",
            _server.Uri).AssertSuccess().Output;

        Assert.DoesNotContain("Pattern verification failed", output, StringComparison.Ordinal);
    }

    [Theory, InlineData("randwrite", "4k", 32), InlineData("randrw", "512-64k", 8), InlineData("write", "1m", 4)]
    public void Fio_verifies_every_checksum(string pattern, string blockSize, int depth) => Oracle.Run(
        "fio", "--name=verify", "--ioengine=nbd", $"--uri={_server.Uri}", $"--rw={pattern}",
        blockSize.Contains('-', StringComparison.Ordinal) ? $"--bsrange={blockSize}" : $"--bs={blockSize}",
        $"--iodepth={depth}", "--size=32m", "--randseed=7", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0",
        "--fsync=64").AssertSuccess();

    [Fact]
    public void Tcp_leads_to_the_same_disk()
    {
        string tcp = _server.UriStartingWith("nbd://127.0.0.1:");
        Oracle.Run("qemu-io", "-f", "raw", "-c", "write -P 5 1M 3M", "-c", "flush", tcp).AssertSuccess();
        Oracle.Run("qemu-img", "compare", "-f", "raw", "-F", "raw", tcp, _server.Uri).AssertSuccess();
    }

    [Fact]
    public void Several_connections_see_each_others_flushed_writes() => Oracle.NbdShell(
        _server.Uri,
        """
        other = nbd.NBD()
        other.connect_uri(h.get_uri())
        assert h.can_multi_conn()
        for i in range(100):
            h.pwrite(bytes([i]) * 4096, i * 4096)
            h.flush()
            assert other.pread(4096, i * 4096) == bytes([i]) * 4096
        """).AssertSuccess();
}
