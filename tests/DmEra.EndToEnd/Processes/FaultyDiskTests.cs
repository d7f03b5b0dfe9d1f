using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>Origins and metadata that fail, or are slow: nbdkit's filters, mounted as files.</summary>
public sealed partial class FaultyDiskTests : IDisposable
{
    private const long DiskBytes = 16 << 20;
    private const int BlockBytes = 65536;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Errors_of_the_origin_reach_the_client_and_every_block_that_it_was_asked_to_write_is_marked()
    {
        string log = _folder["log"];
        using (FuseDisk origin = FuseDisk.BehindNbdkit(
            _folder, "disk", _folder.Sparse("file", DiskBytes), ["log", "error"],
            $"logfile={log}", "error-pwrite=EIO", "error-pwrite-rate=30%", "error-zero=EIO", "error-zero-rate=30%"))
        {
            using EraServer server = EraServer.Start(_folder, origin.Path, "--metadata", _folder["meta"]);
            string failed = Oracle.NbdShell(
                server.Uri,
                $"""
                import random
                random.seed(1)
                failed = 0
                for i in range(200):
                    at = random.randrange(255 * 16) * 4096
                    try:
                        if i % 4: h.pwrite(b'x' * random.choice((512, 4096, 100000)), at)
                        else: h.zero({BlockBytes}, at)
                    except nbd.Error as error:
                        assert error.errno == 'EIO', error
                        failed += 1
                print(failed)
                """).AssertSuccess().Output;

            Assert.InRange(int.Parse(failed, CultureInfo.InvariantCulture), 1, 199);
            Assert.StartsWith("0 32768 era 8 ", server.Command("status", "disk"), StringComparison.Ordinal);
            server.Terminate();
        }

        Oracle.EraCheck(_folder["meta"]);
        Assert.Empty(BlocksWritten(log).Except(Oracle.Blocks(Oracle.EraInvalidate(_folder["meta"], 1))));
    }

    [Fact]
    public void A_copy_made_after_a_checkpoint_has_what_a_slow_origin_still_had_to_write()
    {
        string file = _folder.Sparse("file", DiskBytes);
        using FuseDisk origin = FuseDisk.BehindNbdkit(_folder, "disk", file, ["delay"], "wdelay=20ms");
        using EraServer server = EraServer.Start(_folder, origin.Path, "--metadata", _folder["meta"]);
        using RunningProgram load = new("qemu-img",
            ["bench", "-f", "raw", "-w", "-c", "1000000", "-d", "16", "-s", "4096", "-S", "61440", server.Uri]);
        List<uint> eras = [];
        for (int i = 0; i < 5; i++)
        {
            eras.Add(uint.Parse(server.Command("checkpoint", "disk"), CultureInfo.InvariantCulture));
            Oracle.Run("cp", "--sparse=always", file, _folder[$"copy{i}"]).AssertSuccess();
        }

        load.Kill();
        server.Command("suspend", "disk");
        for (int i = 0; i < 5; i++)
        {
            IEnumerable<uint> changed = Oracle.Blocks(server.Changed("disk", eras[i]));
            Assert.Empty(Images.DifferentBlocks(_folder[$"copy{i}"], file).Except(changed));
        }

        server.Terminate();
        Oracle.EraCheck(_folder["meta"]);
    }

    [Fact]
    public void A_device_whose_metadata_fails_says_so_and_goes_on_when_it_is_mended()
    {
        string trigger = _folder["fail"];
        string disk = _folder.Sparse("disk", DiskBytes);
        using (FuseDisk metadata = FuseDisk.BehindNbdkit(
            _folder, "meta", _folder.Sparse("file", 1 << 20), ["error"], "error-rate=1", $"error-file={trigger}"))
        {
            using EraServer server = EraServer.Start(_folder, disk, "--metadata", metadata.Path);
            Oracle.NbdShell(server.Uri, "h.pwrite(b'1' * 4096, 0)").AssertSuccess();
            File.WriteAllBytes(trigger, []);
            Oracle.NbdShell(
                server.Uri,
                $"""
                try: h.pwrite(b'2' * 4096, {BlockBytes})
                except nbd.Error as error: assert error.errno == 'EIO', error
                else: raise AssertionError('an unmarked block was written')
                h.pwrite(b'3' * 4096, 4096)
                assert h.pread(8192, 0) == b'1' * 4096 + b'3' * 4096
                """).AssertSuccess();

            ProgramResult status = EraServer.Run(_folder, "status", "disk");
            Assert.Equal((1, "0 32768 era Fail\n"), (status.ExitCode, status.Output));
            JsonElement device = JsonElement.Parse(server.Command("ls", "--json"))[0];
            Assert.Equal("failed", device.GetProperty("state").GetString());
            Assert.Contains("Input/output error", device.GetProperty("failureReason").GetString(), StringComparison.Ordinal);

            File.Delete(trigger);
            server.Command("suspend", "disk");
            server.Command("resume", "disk");
            Oracle.NbdShell(server.Uri, $"h.pwrite(b'2' * 4096, {BlockBytes})").AssertSuccess();
            Assert.Equal([(0u, 2u)], server.Changed("disk", 1));
            server.Terminate();
        }

        Oracle.EraCheck(_folder["file"]);
        Assert.Equal([(0u, 2u)], Oracle.EraInvalidate(_folder["file"], 1));
    }

    private static HashSet<uint> BlocksWritten(string log)
    {
        HashSet<uint> blocks = [];
        foreach (Match line in WriteOrZero().Matches(File.ReadAllText(log)))
        {
            long offset = long.Parse(line.Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            long count = long.Parse(line.Groups[2].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            for (long block = offset / BlockBytes; block * BlockBytes < offset + count; block++) blocks.Add((uint)block);
        }

        Assert.NotEmpty(blocks);
        return blocks;
    }

    [GeneratedRegex("(?:Write|Zero|Trim) id=[0-9]+ offset=0x([0-9a-f]+) count=0x([0-9a-f]+)")]
    private static partial Regex WriteOrZero();
}
