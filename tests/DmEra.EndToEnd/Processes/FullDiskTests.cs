using System.Globalization;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>The file system under a sparse origin is full.</summary>
public sealed class FullDiskTests : IDisposable
{
    private const int BlockBytes = 4096;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Clients_are_told_and_go_on_when_there_is_space_again()
    {
        // A file system of one megabyte, gone with the server's process.
        string mount = _folder["mount"];
        Directory.CreateDirectory(mount);
        using EraServer server = EraServer.StartThrough(
            _folder,
            $"mount -t tmpfs -o size=1m era {mount}; truncate -s 64M {mount}/disk; head -c 300K /dev/zero > {mount}/filler",
            $"{mount}/disk", "--block-size", $"{BlockBytes}", "--metadata", _folder["meta"], "--mark-ahead", "off");

        string output = Oracle.NbdShell(
            server.Uri,
            $"""
            for written in range(2000):
                try: h.pwrite(b'x' * {BlockBytes}, written * {BlockBytes})
                except nbd.Error as error:
                    assert error.errno == 'ENOSPC', error
                    break
            assert h.pread({BlockBytes}, 0) == b'x' * {BlockBytes}
            print(written)
            """).AssertSuccess().Output;
        uint written = uint.Parse(output, CultureInfo.InvariantCulture);
        Assert.InRange(written, 50u, 256u);
        Assert.Contains("active", server.Command("ls"), StringComparison.Ordinal);

        Oracle.Run("rm", $"/proc/{server.ProcessId}/root{mount}/filler").AssertSuccess();
        Oracle.NbdShell(server.Uri, $"h.pwrite(b'x' * {BlockBytes}, {written} * {BlockBytes}); h.flush()").AssertSuccess();
        server.Command("checkpoint", "disk");
        Assert.Equal([(0u, written + 1)], server.Changed("disk", 1));
        server.Terminate();
        Oracle.EraCheck(_folder["meta"]);
        Assert.Equal([(0u, written + 1)], Oracle.EraInvalidate(_folder["meta"], 1));
    }
}
