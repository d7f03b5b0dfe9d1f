using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>What <c>era changed</c> says while a disk is served, and what the user tools say afterwards.</summary>
public sealed class RecordTests : IDisposable
{
    private const int BlockBytes = 65536;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Changed_blocks_are_those_that_were_written()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk.img"], "--size", "16M");
        Write(server, 1, "h.pwrite(b'x', 0); h.pwrite(b'x' * 2, 6 * B - 1)");
        Write(server, 2, "h.zero(3 * B, 10 * B); h.pwrite(b'x', 0)");
        Write(server, 3, "h.trim(3 * B, 20 * B)");
        Write(server, 4, "h.pread(B, 30 * B); h.flush(); h.cache(B, 31 * B)");
        Write(server, 5, "h.zero(B, 255 * B, nbd.CMD_FLAG_NO_HOLE)");
        (uint, uint)[][] since =
        [
            [(0, 256)],
            [(0, 1), (5, 7), (10, 13), (20, 23), (255, 256)],
            [(0, 1), (10, 13), (20, 23), (255, 256)],
            [(20, 23), (255, 256)],
            [(255, 256)],
            [(255, 256)],
            [],
        ];

        for (uint era = 0; era < since.Length; era++) Assert.Equal(since[era], server.Changed("disk.img", era));
        server.Terminate();

        Oracle.EraCheck(_folder["disk.img.era"]);
        for (uint era = 0; era < since.Length; era++)
            Assert.Equal(since[era], Oracle.EraInvalidate(_folder["disk.img.era"], era));
        Assert.Contains("current_era=\"6\"", Oracle.EraDump(_folder["disk.img.era"]), StringComparison.Ordinal);

        static void Write(EraServer server, uint era, string requests)
        {
            Oracle.NbdShell(server.Uri, $"B = {BlockBytes}", requests).AssertSuccess();
            Assert.Equal($"{era + 1}", server.Command("checkpoint", "disk.img"));
        }
    }

    [Fact]
    public void A_device_goes_on_after_each_stop()
    {
        for (uint run = 1; run <= 3; run++)
        {
            using EraServer server = EraServer.Start(_folder, _folder["disk.img"], "--size", "16M");
            Assert.Equal($"0 32768 era 8 9/1024 {run} -", server.Command("status", "disk.img"));
            Oracle.NbdShell(server.Uri, $"h.pwrite(b'x', {run * BlockBytes})").AssertSuccess();
            if (run == 2) server.Command("stop", "disk.img");
            else server.Terminate();
            server.AwaitExit();
            Oracle.EraCheck(_folder["disk.img.era"]);
            Assert.Equal([(run, run + 1)], Oracle.EraInvalidate(_folder["disk.img.era"], run));
        }

        Assert.Equal([(1u, 4u)], Oracle.EraInvalidate(_folder["disk.img.era"], 1));
    }

    [Fact]
    public void Metadata_by_era_restore_opens_and_runs()
    {
        File.WriteAllText(_folder["xml"],
            """
            <superblock uuid="" block_size="128" nr_blocks="256" current_era="7">
              <writeset era="5" nr_bits="256"><bit block="17" value="true"/></writeset>
              <writeset era="7" nr_bits="256"><bit block="18" value="true"/><bit block="255" value="true"/></writeset>
              <era_array><era block="3" era="2"/><era block="17" era="4"/></era_array>
            </superblock>
            """);
        string metadata = _folder.Sparse("meta", 1 << 20);
        Oracle.Run("era_restore", "-i", _folder["xml"], "-o", metadata).AssertSuccess();

        using (EraServer server = EraServer.Start(_folder, _folder.Sparse("disk", 16 << 20), "--metadata", metadata))
        {
            Assert.Equal([(3, 4), (17, 19), (255, 256)], server.Changed("disk", 2));
            Assert.Equal([(17, 19), (255, 256)], server.Changed("disk", 5));
            Oracle.NbdShell(server.Uri, $"h.pwrite(b'x', 20 * {BlockBytes})").AssertSuccess();
            Assert.Equal("9", server.Command("checkpoint", "disk"));
            Assert.Equal([(20, 21)], server.Changed("disk", 8));
            server.Terminate();
        }

        Oracle.EraCheck(metadata);
        Assert.Equal([(17, 19), (20, 21), (255, 256)], Oracle.EraInvalidate(metadata, 5));
    }

    [Fact]
    public void A_second_server_of_the_same_files_is_refused()
    {
        string disk = _folder.Sparse("disk", 16 << 20);
        using EraServer server = EraServer.Start(_folder, disk);

        foreach (string[] second in (string[][])[
            [disk, "--name", "other", "--metadata", _folder["other.era"]],
            [_folder["other"], "--size", "16M", "--metadata", _folder["disk.era"]],
            [_folder["other"], "--size", "16M", "--name", "disk"]])
        {
            ProgramResult refused = EraServer.Run(_folder, ["serve", .. second]);
            Assert.Equal(1, refused.ExitCode);
            Assert.Single(refused.Error.TrimEnd('\n').Split('\n'));
        }

        Oracle.NbdShell(server.Uri, "h.pwrite(b'x', 0)").AssertSuccess();
        server.Terminate();
        Oracle.EraCheck(_folder["disk.era"]);
    }
}
