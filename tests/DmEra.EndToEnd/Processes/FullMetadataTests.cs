using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>The metadata has no more room: whoever asks for more is told, nothing is lost, and there is a way
/// out.</summary>
public sealed class FullMetadataTests : IDisposable
{
    private const string NoSpace = "No space left on device";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_full_device_loses_nothing_and_goes_on_when_its_snapshot_is_dropped()
    {
        // A file system of the size of its files, gone with the server's process: the metadata cannot grow.
        string mount = _folder["mount"];
        Directory.CreateDirectory(mount);
        using EraServer server = EraServer.StartThrough(
            _folder, $"mount -t tmpfs -o size=168k era {mount}; truncate -s 160K {mount}/meta",
            _folder.Sparse("disk", 64 << 20), "--block-size", "4K", "--metadata", $"{mount}/meta");
        server.Command("message", "disk", "take_metadata_snap");

        // One block of every block of the era array, which are one as long as nothing was written.
        List<uint> written = [];
        ProgramResult last;
        for (uint i = 0; (last = Write(server, written, i * 1018 % 16384)).ExitCode == 0; i++)
        {
            Assert.True(i < 100, "the metadata does not fill up");
            last = EraServer.Run(_folder, "checkpoint", "disk");
            if (last.ExitCode != 0) break;
        }

        Assert.Matches($"{NoSpace}|is full", last.Error);
        Oracle.NbdShell(server.Uri, $"assert h.pread(1, {written[0]} * 4096) == b'x'").AssertSuccess();
        Assert.Contains("active", server.Command("ls"), StringComparison.Ordinal);
        server.Command("message", "disk", "drop_metadata_snap");
        Write(server, written, 16383).AssertSuccess();
        server.Command("checkpoint", "disk");

        Assert.Equal(written.Order(), Oracle.Blocks(server.Changed("disk", 1)));
        server.Command("suspend", "disk");
        Oracle.Run("cp", $"/proc/{server.ProcessId}/root{mount}/meta", _folder["meta"]).AssertSuccess();
        Oracle.EraCheck(_folder["meta"]);
        Assert.Equal(written.Order(), Oracle.Blocks(Oracle.EraInvalidate(_folder["meta"], 1)));
    }

    [Fact]
    public void A_full_file_system_is_as_full_metadata_and_goes_on_when_it_has_space_again()
    {
        string mount = _folder["mount"];
        Directory.CreateDirectory(mount);
        using EraServer server = EraServer.StartThrough(
            _folder, $"mount -t tmpfs -o size=1500k era {mount}",
            _folder.Sparse("disk", 1 << 30), "--block-size", "4K", "--metadata", $"{mount}/meta");
        string inside = $"/proc/{server.ProcessId}/root{mount}";
        Assert.Equal(4 << 20, new FileInfo($"{inside}/meta").Length);
        server.Command("message", "disk", "take_metadata_snap");
        Oracle.Run("dd", "if=/dev/zero", $"of={inside}/filler", "bs=4k");       // up to the last block

        // Digestion takes a block of the era array for each of these.
        List<uint> written = [];
        ProgramResult last;
        for (uint i = 0; (last = Write(server, written, [.. EightFrom(i)])).ExitCode == 0; i++)
        {
            Assert.True(i < 60, "the metadata does not fill up");
            last = EraServer.Run(_folder, "checkpoint", "disk");
            if (last.ExitCode != 0) break;
        }

        Assert.Matches($"{NoSpace}|its file system has no space", last.Error);
        server.Command("suspend", "disk");
        server.Command("resume", "disk");
        Assert.Contains("active", server.Command("ls"), StringComparison.Ordinal);
        Oracle.Run("rm", $"{inside}/filler").AssertSuccess();
        Write(server, written, 262_143).AssertSuccess();
        server.Command("checkpoint", "disk");

        Oracle.Run("dd", "if=/dev/zero", $"of={inside}/filler", "bs=4k");
        server.Command("message", "disk", "drop_metadata_snap");
        Assert.Equal(written.Distinct().Order(), Oracle.Blocks(server.Changed("disk", 1)));
        server.Command("suspend", "disk");
        Oracle.Run("cp", $"{inside}/meta", _folder["meta"]).AssertSuccess();
        Oracle.EraCheck(_folder["meta"]);
        Assert.Equal(written.Distinct().Order(), Oracle.Blocks(Oracle.EraInvalidate(_folder["meta"], 1)));
    }

    private static IEnumerable<uint> EightFrom(uint i) => Enumerable.Range((int)i * 8, 8).Select(k => (uint)k * 1018 % 262_144);

    // Tells of each block when it is written: of several the last ones may find no room.
    private static ProgramResult Write(EraServer server, List<uint> written, params uint[] blocks)
    {
        ProgramResult result = Oracle.NbdShell(
            server.Uri, $"for b in [{string.Join(", ", blocks)}]:\n  h.pwrite(b'x' * 4096, b * 4096)\n  print(b)");
        written.AddRange(result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(uint.Parse));
        return result;
    }
}
