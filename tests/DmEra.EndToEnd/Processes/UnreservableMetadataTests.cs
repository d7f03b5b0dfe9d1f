using System.Globalization;
using DmEra.Tests;

namespace DmEra.EndToEnd.Processes;

/// <summary>Metadata on a file system that cannot reserve space for files, as NFS before 4.2, ZFS and most of FUSE cannot:
/// ramfs is another.</summary>
public sealed class UnreservableMetadataTests : IDisposable
{
    private const int FirstBlocks = 36;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Metadata_grows_all_the_same()
    {
        string mount = Mount();
        using EraServer server = EraServer.StartThrough(
            _folder, $"mount -t ramfs era {mount}; truncate -s {FirstBlocks * 4}K {mount}/meta",
            _folder.Sparse("disk", 64 << 20), "--block-size", "4K", "--metadata", $"{mount}/meta");
        server.Command("message", "disk", "take_metadata_snap");

        // One block of every block of the era array: the snapshot keeps the old ones.
        for (int i = 0; i < 17; i++)
        {
            Oracle.NbdShell(server.Uri, $"h.pwrite(b'x' * 4096, {i * 1018 % 16384} * 4096)").AssertSuccess();
            server.Command("checkpoint", "disk");
        }

        string total = server.Command("status", "disk").Split(' ')[4].Split('/')[1];
        Assert.True(int.Parse(total, CultureInfo.InvariantCulture) > FirstBlocks, total);
        server.Command("suspend", "disk");
        Oracle.Run("cp", $"/proc/{server.ProcessId}/root{mount}/meta", _folder["meta"]).AssertSuccess();
        Oracle.EraCheck(_folder["meta"]);
    }

    [Fact]
    public void New_metadata_is_made_restored_and_repaired()
    {
        string mount = Mount();
        using (EraServer server = EraServer.StartThrough(
            _folder, $"mount -t ramfs era {mount}", _folder.Sparse("disk", 64 << 20), "--metadata", $"{mount}/meta"))
        {
            Oracle.NbdShell(server.Uri, "h.pwrite(b'x' * 4096, 0)").AssertSuccess();
            server.Command("suspend", "disk");
            Oracle.Run("cp", $"/proc/{server.ProcessId}/root{mount}/meta", _folder["meta"]).AssertSuccess();
        }

        Oracle.Run(
            "unshare", "-rm", "sh", "-ec",
            $"""
            mount -t ramfs era {mount}
            {EraServer.Program} dump {_folder["meta"]} -o {_folder["xml"]}
            {EraServer.Program} restore -i {_folder["xml"]} -o {mount}/restored
            {EraServer.Program} repair -i {_folder["meta"]} -o {mount}/repaired
            cp {mount}/restored {mount}/repaired {_folder.Path}
            """).AssertSuccess();

        Oracle.EraCheck(_folder["restored"]);
        Oracle.EraCheck(_folder["repaired"]);
    }

    [Fact]
    public void Space_is_taken_by_writing_where_it_cannot_be_reserved()
    {
        string behind = _folder.Sparse("behind", 16 << 20);
        using FuseDisk metadata = FuseDisk.BehindNbdkit(_folder, "meta", behind, []);
        using EraServer server = EraServer.Start(_folder, _folder.Sparse("disk", 64 << 20), "--metadata", metadata.Path);

        string blocks = Oracle.Run("stat", "--format=%b", behind).AssertSuccess().Output;
        Assert.InRange(512 * long.Parse(blocks, CultureInfo.InvariantCulture), 1 << 20, 2 << 20);
    }

    private string Mount() => Directory.CreateDirectory(_folder["mount"]).FullName;
}
