using DmEra.EndToEnd.Processes;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>Any point in time as an NBD export.</summary>
public sealed class ServedImageTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private string Repository => _folder["repository"];

    [Fact]
    public void Each_image_is_served_read_only_as_it_was()
    {
        File.WriteAllText(_folder["passphrase"], "open sesame\n");
        string[] unlock = ["--passphrase-file", _folder["passphrase"]];
        TakeTwoImages(unlock);

        using (EraServer first = EraServer.Start(_folder, ["--repo", Repository, "--at", "1", .. unlock]))
        {
            Assert.Contains("disk-1", first.Uri, StringComparison.Ordinal);
            Oracle.Run("nbdcopy", first.Uri, _folder["copy1"]).AssertSuccess();
            Assert.Contains("is_read_only: true", Oracle.Run("nbdinfo", first.Uri).AssertSuccess().Output, StringComparison.Ordinal);
            Assert.NotEqual(0, Oracle.Run("qemu-io", "-f", "raw", "-c", "write 0 4k", first.Uri).ExitCode);

            // What it needs is not pruned under it.
            ProgramResult prune = EraServer.Run(_folder, ["prune", Repository, "--keep", "1", .. unlock]);
            Assert.Contains("in use by 'era serve'", prune.Error, StringComparison.Ordinal);
            first.Terminate();
        }

        using EraServer newest = EraServer.Start(_folder, ["--repo", Repository, "--name", "newest", .. unlock]);
        Oracle.Run("nbdcopy", newest.Uri, _folder["copy2"]).AssertSuccess();
        Oracle.Run("cmp", _folder["copy1"], _folder["disk1"]).AssertSuccess();
        Oracle.Run("cmp", _folder["copy2"], _folder["disk"]).AssertSuccess();
        Assert.Contains("hole,zero", Oracle.Run("nbdinfo", "--map", newest.Uri).AssertSuccess().Output, StringComparison.Ordinal);
        newest.Terminate();
    }

    [Fact]
    public void What_does_not_go_with_a_repository_is_refused()
    {
        ProgramResult result = EraServer.Run(_folder, "serve", "--repo", Repository, "--size", "1M");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("--repo says all; leave --size away", result.Error, StringComparison.Ordinal);
        Assert.Contains("no repository", EraServer.Run(_folder, "serve", "--repo", Repository).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_piece_is_an_error_for_who_reads_it_and_the_rest_is_served()
    {
        TakeTwoImages([]);
        string pack = Directory.GetFiles(Path.Combine(Repository, "packs/000001")).Order(StringComparer.Ordinal).First();
        byte[] bytes = File.ReadAllBytes(pack);
        bytes[^1] ^= 1;
        File.WriteAllBytes(pack, bytes);
        using EraServer server = EraServer.Start(_folder, "--repo", Repository, "--at", "1");

        Oracle.Run("qemu-io", "-r", "-f", "raw", "-c", "read -P 1 0 64k", server.Uri).AssertSuccess();
        ProgramResult lost = Oracle.Run("qemu-io", "-r", "-f", "raw", "-c", "read 1M 64k", server.Uri);

        Assert.Contains("Input/output error", lost.Output + lost.Error, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private void TakeTwoImages(string[] unlock)
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "8M");
        Oracle.Run("qemu-io", "-f", "raw", "-c", "write -P 1 0 64k", "-c", "write -P 2 1M 64k", server.Uri).AssertSuccess();
        server.Command(["backup", "disk", "--to", Repository, .. unlock]);
        Oracle.Run("cp", _folder["disk"], _folder["disk1"]).AssertSuccess();
        Oracle.Run("qemu-io", "-f", "raw", "-c", "write -P 3 2M 64k", server.Uri).AssertSuccess();
        server.Command(["backup", "disk", "--to", Repository, .. unlock]);
        server.Terminate();
    }
}
