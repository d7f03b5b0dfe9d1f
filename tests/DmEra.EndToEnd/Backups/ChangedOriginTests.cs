using DmEra.EndToEnd.Processes;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>Origins that somebody changes behind the back of the program.</summary>
public sealed class ChangedOriginTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private string Disk => _folder["disk"];

    private string Repository => _folder["repository"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_that_took_the_place_of_the_served_one_is_no_origin_to_back_up()
    {
        using EraServer server = EraServer.Start(_folder, Disk, "--size", "4M");
        server.Command("backup", "disk", "--to", Repository);
        _folder.Sparse("other", 4 << 20);
        File.Move(_folder["other"], Disk, overwrite: true);
        Oracle.NbdShell(server.Uri, "h.pwrite(b'x' * 65536, 1 << 20)").AssertSuccess();

        foreach (string[] kind in (string[][])[[], ["--full"], ["--estimate"]])
        {
            ProgramResult refused = EraServer.Run(_folder, ["backup", "disk", "--to", Repository, .. kind]);
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains("was replaced while it is served", refused.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_origin_that_was_cut_off_ends_a_backup_with_an_error_and_is_no_hole_to_clients()
    {
        using EraServer server = EraServer.Start(_folder, Disk, "--size", "64M");
        Oracle.Run("truncate", ["-s", "1M", Disk]).AssertSuccess();

        ProgramResult refused = EraServer.Run(_folder, "backup", "disk", "--to", Repository);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("was cut off while it is served, to 1M of 64M", refused.Error, StringComparison.Ordinal);

        ProgramResult copied = Oracle.Run("nbdcopy", [server.Uri, _folder["copy"]]);
        Assert.NotEqual(0, copied.ExitCode);
    }
}
