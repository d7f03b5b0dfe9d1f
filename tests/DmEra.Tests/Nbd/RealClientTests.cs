using System.Net;
using System.Text.Json;
using DmEra.Devices;
using DmEra.Nbd;

namespace DmEra.Tests.Nbd;

/// <summary>The clients that people have, on a file.</summary>
public sealed class RealClientTests : IDisposable
{
    private const int Mebibyte = 1 << 20;
    private const int Size = 16 * Mebibyte;

    private readonly TempFolder _folder = new();
    private readonly FileBlockDevice _file;
    private readonly TestServer _server;

    public RealClientTests()
    {
        _file = FileBlockDevice.Open(_folder.Sparse("disk", Size));
        _server = new TestServer(new NbdExport(
            "disk", _file, new BlockStatusCatalog(new AllocationContext(_file)))
        { Description = "a test disk" });
    }

    public void Dispose()
    {
        _server.Dispose();
        _file.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Nbdinfo_shows_the_export()
    {
        JsonElement export = JsonDocument.Parse(
            Oracle.Run("nbdinfo", "--json", _server.Uri).AssertSuccess().Output).RootElement
            .GetProperty("exports")[0];

        Assert.Equal("a test disk", export.GetProperty("description").GetString());
        Assert.Equal(Size, export.GetProperty("export-size").GetInt32());
        Assert.Equal(["base:allocation"], export.GetProperty("contexts").EnumerateArray().Select(e => e.GetString()));
        foreach (string ability in new[]
            {
                "can_cache", "can_df", "can_fast_zero", "can_flush", "can_fua", "can_multi_conn", "can_trim", "can_zero",
            })
        {
            Assert.True(export.GetProperty(ability).GetBoolean(), ability);
        }

        Assert.False(export.GetProperty("is_read_only").GetBoolean());
        Assert.Equal(1, export.GetProperty("block_size_minimum").GetInt32());
        Assert.Equal(4096, export.GetProperty("block_size_preferred").GetInt32());
        Assert.Equal(32 * Mebibyte, export.GetProperty("block_size_maximum").GetInt32());
    }

    [Fact]
    public void Nbdinfo_lists_the_exports()
    {
        string list = Oracle.Run("nbdinfo", "--list", _server.Uri).AssertSuccess().Output;

        Assert.Contains("export=\"disk\":", list, StringComparison.Ordinal);
        Assert.Contains("description: a test disk", list, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/disk", "//disk")]
    [InlineData("/disk", "/%2Fdisk")]
    [InlineData("pool/disk", "/pool/disk")]
    [InlineData("pool/disk", "/pool%2Fdisk")]
    public void Names_may_have_slashes_of_which_the_first_belongs_to_the_uri(string name, string path)
    {
        using TestServer server = new(
            new NbdExport(name, _file, new BlockStatusCatalog()), new NbdExport("disk", _file, new BlockStatusCatalog()));

        string info = Oracle.Run("nbdinfo", "--json", $"nbd+unix://{path}?socket={server.SocketPath}").AssertSuccess().Output;

        Assert.Equal(name, JsonElement.Parse(info).GetProperty("exports")[0].GetProperty("export-name").GetString());
    }

    [Fact]
    public void Nbd_client_lists_the_exports()
    {
        EndPoint tcp = _server.Server.Listen(new IPEndPoint(IPAddress.Loopback, 0));

        string list = Oracle.Run("nbd-client", "-l", "127.0.0.1", $"{((IPEndPoint)tcp).Port}").AssertSuccess().Output;

        Assert.Contains("disk", list, StringComparison.Ordinal);
    }

    [Fact]
    public void Nbdinfo_maps_holes_and_data()
    {
        _file.Write(2 * Mebibyte, new byte[Mebibyte]);

        JsonElement map = JsonDocument.Parse(
            Oracle.Run("nbdinfo", "--json", "--map=base:allocation", _server.Uri).AssertSuccess().Output).RootElement;

        Assert.Equal(
            [(0, 2 * Mebibyte, 3), (2 * Mebibyte, Mebibyte, 0), (3 * Mebibyte, 13 * Mebibyte, 3)],
            map.EnumerateArray().Select(extent => (
                extent.GetProperty("offset").GetInt32(),
                extent.GetProperty("length").GetInt32(),
                extent.GetProperty("type").GetInt32())));
    }

    [Theory]
    [InlineData("--connections=1")]
    [InlineData("--connections=4")]
    [InlineData("--allocated")]
    [InlineData("--synchronous")]
    [InlineData("--request-size=33554432")]
    public void Nbdcopy_copies_in_both_directions(string option)
    {
        string source = Scattered("source");

        Oracle.Run("nbdcopy", option, "--flush", "--", source, _server.Uri).AssertSuccess();
        Oracle.Run("nbdcopy", option, "--", _server.Uri, _folder["copy"]).AssertSuccess();

        Oracle.Run("cmp", source, _folder["disk"]).AssertSuccess();
        Oracle.Run("cmp", source, _folder["copy"]).AssertSuccess();
    }

    [Fact]
    public void Nbdcopy_leaves_holes_where_the_source_has_zeroes()
    {
        string source = Scattered("source");

        Oracle.Run("nbdcopy", "--", source, _server.Uri).AssertSuccess();
        Oracle.Run("nbdcopy", "--", _server.Uri, _folder["copy"]).AssertSuccess();

        Assert.InRange(AllocatedBytes(_folder["disk"]), Mebibyte, 6 * Mebibyte);
        Assert.InRange(AllocatedBytes(_folder["copy"]), Mebibyte, 6 * Mebibyte);
    }

    [Fact]
    public void Qemu_img_shows_converts_and_compares()
    {
        string source = Scattered("source");
        string uri = $"nbd+unix:///disk?socket={_server.SocketPath}";

        Assert.Contains("16 MiB", Oracle.Run("qemu-img", "info", uri).AssertSuccess().Output, StringComparison.Ordinal);
        Oracle.Run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, uri).AssertSuccess();
        Oracle.Run("qemu-img", "compare", "-f", "raw", "-F", "raw", source, uri).AssertSuccess();
        Oracle.Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", uri, _folder["copy"]).AssertSuccess();
        Oracle.Run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", source, _folder["copy"]).AssertSuccess();
        Oracle.Run("cmp", source, _folder["disk"]).AssertSuccess();
    }

    [Fact]
    public void Qemu_io_reads_what_it_wrote_unaligned_too()
    {
        string uri = $"nbd+unix:///disk?socket={_server.SocketPath}";

        string output = Oracle.Run(
            "qemu-io", "-f", "raw",
            "-c", "write -P 7 0 3M", "-c", "write -z -u 1M 512k", "-c", "write -z 65537 1023", "-c", "discard 2M 64k",
            "-c", "write -f -P 9 12345 6789", "-c", "flush", "-c", "read -P 7 0 12345", "-c", "read -P 9 12345 6789",
            "-c", "read -P 0 1M 512k", "-c", "read -P 0 65537 1023", "-c", "read -P 7 66560 900k", uri).AssertSuccess().Output;

        Assert.DoesNotContain("failed", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("4k", "1", "randrw")]
    [InlineData("4k", "32", "randwrite")]
    [InlineData("64k", "16", "randwrite")]
    [InlineData("512", "64", "randrw")]
    [InlineData("1m", "8", "write")]
    public void Fio_verifies_what_it_wrote(string blockSize, string depth, string pattern)
    {
        Oracle.Run(
            "fio", "--name=verify", "--ioengine=nbd", $"--uri={_server.Uri}", $"--rw={pattern}", $"--bs={blockSize}",
            $"--iodepth={depth}", "--size=8m", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1").AssertSuccess();
    }

    [Fact]
    public void Nbdsh_gets_the_errors_it_asks_for()
    {
        Nbdsh("""
            h.set_strict_mode(0)
            h.connect_uri(uri)
            size = h.get_size()

            def error_of(call):
                try:
                    call()
                except nbd.Error as error:
                    return error.errno
                return None

            assert error_of(lambda: h.pread(2, size - 1)) == "EINVAL"
            assert error_of(lambda: h.pwrite(b"12", size - 1)) == "ENOSPC"
            assert error_of(lambda: h.zero(2, size - 1)) == "ENOSPC"
            assert error_of(lambda: h.trim(2, size - 1)) == "EINVAL"
            assert error_of(lambda: h.pread(1, 0, flags=nbd.CMD_FLAG_FAST_ZERO)) == "EINVAL"
            assert error_of(lambda: h.pwrite(bytes(33 << 20), 0)) in ("EOVERFLOW", "EINVAL")
            assert error_of(lambda: h.pread(33 << 20, 0)) in ("EOVERFLOW", "ERANGE", "EINVAL")
            assert h.pread(512, 0) == bytes(512)
            h.pwrite(b"hello", 3, flags=nbd.CMD_FLAG_FUA)
            assert h.pread(9, 0) == b"\0\0\0hello\0"
            h.zero(4096, 0, flags=nbd.CMD_FLAG_FAST_ZERO)
            h.zero(4096, 0, flags=nbd.CMD_FLAG_NO_HOLE)
            h.cache(4096, 0)
            h.flush()
            h.shutdown()
            """);
    }

    [Fact]
    public void Nbdsh_reads_chunks_and_block_status()
    {
        _file.Write(Mebibyte, [.. Enumerable.Repeat((byte)1, 4096)]);
        Nbdsh("""
            h.add_meta_context("base:allocation")
            h.connect_uri(uri)
            assert h.get_structured_replies_negotiated()
            chunks = []
            data = h.pread_structured(3 << 20, 0, lambda buf, offset, status, error: chunks.append((offset, len(buf), status)))
            assert data == bytes(1 << 20) + b"\1" * 4096 + bytes((2 << 20) - 4096)
            assert chunks == [(0, 1 << 20, nbd.READ_HOLE), (1 << 20, 4096, nbd.READ_DATA),
                              ((1 << 20) + 4096, (2 << 20) - 4096, nbd.READ_HOLE)], chunks
            extents = []
            h.block_status(1 << 20, 1 << 19, lambda context, offset, e, error: extents.append((context, offset, e)),
                           flags=nbd.CMD_FLAG_REQ_ONE)
            assert extents == [("base:allocation", 1 << 19, [1 << 19, 3])], extents
            h.shutdown()
            """);
    }

    [Fact]
    public void Nbdsh_negotiates_with_old_ways()
    {
        Nbdsh("""
            h.set_handshake_flags(0)
            h.set_export_name("disk")
            h.set_request_structured_replies(False)
            h.connect_uri(uri)
            assert h.get_protocol() == "newstyle", h.get_protocol()
            assert h.pread(512, 0) == bytes(512)
            h.shutdown()
            """);
        Nbdsh("""
            h.set_opt_mode(True)
            h.set_full_info(True)
            h.connect_uri(uri)
            names = []
            h.opt_list(lambda name, description: names.append((name, description)))
            assert names == [("disk", "a test disk")], names
            h.set_export_name("desk")
            try:
                h.opt_info()
                assert False
            except nbd.Error as error:
                assert error.errno == "ENOENT", error
            h.set_export_name("")
            h.opt_info()
            assert h.get_canonical_export_name() == "disk"
            assert h.get_export_description() == "a test disk"
            contexts = []
            h.opt_list_meta_context(contexts.append)
            assert contexts == ["base:allocation"], contexts
            h.opt_abort()
            """);
    }

    // Two mebibytes of random data here and there, zeroes and holes between them.
    private string Scattered(string name)
    {
        byte[] content = new byte[Size];
        Random random = new(42);
        for (int i = 0; i < 64; i++) random.NextBytes(content.AsSpan(random.Next(Size - 40_000), 32_000));
        File.WriteAllBytes(_folder[name], content);
        return _folder[name];
    }

    private static long AllocatedBytes(string path) =>
        512 * long.Parse(Oracle.Run("stat", "-c", "%b", path).AssertSuccess().Output);

    // The interpreter that Debian's module belongs to.
    private void Nbdsh(string script) => Oracle.Run(
        "/usr/bin/python3", "-c", $"import nbd\nh = nbd.NBD()\nuri = \"{_server.Uri}\"\n{script}").AssertSuccess();
}
