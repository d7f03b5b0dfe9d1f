using System.Text.Json;
using DmEra.EndToEnd.Processes;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>Numbers of eras that are used a second time: nobody may take them for the first.</summary>
public sealed class HistoryTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private string Disk => _folder["disk"];

    private string Repository => _folder["repository"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Metadata_put_back_is_found_though_the_blocks_that_are_always_written_were_written_again()
    {
        _folder.Sparse("disk", 8 << 20);
        for (int run = 0; run < 3; run++) Serve(0);
        File.Copy($"{Disk}.era", _folder["copy"]);
        Serve(0);
        Backup();
        Serve(0, 64, 65);
        File.Copy(_folder["copy"], $"{Disk}.era", overwrite: true);
        for (int run = 0; run < 3; run++) Serve(0);

        AssertRefused("went on with another era");
        Backup("--full");
        Serve(3);
        Backup();
        AssertLastImageIsTheDisk();
    }

    [Fact]
    public void A_device_at_rest_whose_metadata_was_put_back_is_refused_before_it_is_served_again()
    {
        _folder.Sparse("disk", 8 << 20);
        Serve(0);
        Backup();
        File.Copy($"{Disk}.era", _folder["copy"]);
        Serve(0, 64);
        File.Copy(_folder["copy"], $"{Disk}.era", overwrite: true);

        AssertRefused("metadata was put back from a copy");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_disk_that_goes_back_with_its_metadata_is_not_taken_for_the_one_that_was_undone(bool withChronicle)
    {
        string[] files = withChronicle ? ["disk", "disk.era", "disk.era.chronicle"] : ["disk", "disk.era"];
        _folder.Sparse("disk", 8 << 20);
        Serve(0, 1, 2);
        Backup();
        Directory.CreateDirectory(_folder["snapshot"]);
        foreach (string file in files) File.Copy(_folder[file], _folder[$"snapshot/{file}"]);
        Serve(0, 40);
        Backup();
        foreach (string file in files) File.Copy(_folder[$"snapshot/{file}"], _folder[file], overwrite: true);
        for (int run = 0; run < 3; run++) Serve(0, 1);

        AssertRefused("went on with another era");
    }

    [Fact]
    public void A_machine_that_went_back_goes_on_from_an_image_of_before()
    {
        string[] files = ["disk", "disk.era", "disk.era.chronicle"];
        _folder.Sparse("disk", 8 << 20);
        Serve(0, 1, 2);
        Backup();
        Directory.CreateDirectory(_folder["snapshot"]);
        foreach (string file in files) File.Copy(_folder[file], _folder[$"snapshot/{file}"]);
        Serve(0, 40);
        foreach (string file in files) File.Copy(_folder[$"snapshot/{file}"], _folder[file], overwrite: true);
        Serve(0, 50);

        Assert.Contains("on top of image 1", Backup(), StringComparison.Ordinal);
        AssertLastImageIsTheDisk();
    }

    [Fact]
    public void A_list_is_had_since_a_mark_of_this_history_and_of_no_other()
    {
        using EraServer server = EraServer.Start(_folder, Disk, "--size", "8M");
        JsonElement begun = JsonDocument.Parse(server.Command("checkpoint", "disk", "--json", "--label", "here")).RootElement;
        string moment = $"{begun.GetProperty("era").GetUInt32()}:{begun.GetProperty("mark").GetGuid()}";
        Oracle.NbdShell(server.Uri, "h.pwrite(b'x' * 65536, 1 << 20)").AssertSuccess();

        foreach (string since in (string[])[moment, "here"])
        {
            Assert.Equal("16 17", server.Command("changed", "disk", "--since", since, "--format", "ranges"));
            Assert.Contains("dirty", Oracle.Run(
                "nbdinfo", [$"--map=qemu:dirty-bitmap:since-{since}", server.Uri]).AssertSuccess().Output, StringComparison.Ordinal);
        }

        Assert.Contains(moment.Split(':')[1], server.Command("changed", "disk", "--since", "2", "--format", "json"), StringComparison.Ordinal);
        string other = $"2:{Guid.NewGuid()}";
        ProgramResult refused = EraServer.Run(_folder, "changed", "disk", "--since", other);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("no era 2 with that mark", refused.Error, StringComparison.Ordinal);
        Assert.NotEqual(0, Oracle.Run("nbdinfo", [$"--map=era:since-{other}", server.Uri]).ExitCode);

        server.Terminate();
        Assert.Equal("16 17", EraServer.Run(
            _folder, "invalidate", "--written-since", moment, "--format", "ranges", $"{Disk}.era").AssertSuccess().Output.Trim());
        Assert.Contains("no era 2 with that mark", EraServer.Run(
            _folder, "invalidate", "--written-since", other, $"{Disk}.era").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disk_has_one_record_through_whatever_name_it_is_served()
    {
        using (EraServer server = EraServer.Start(_folder, Disk, "--size", "8M")) server.Terminate();
        Backup();
        File.CreateSymbolicLink(_folder["link"], Disk);
        Oracle.Run("ln", [Disk, _folder["twin"]]).AssertSuccess();

        Serve("link", 80);
        Serve("twin", 90);

        Assert.Equal([Disk + ".era"], Directory.GetFiles(_folder.Path, "*.era"));
        Backup();
        AssertLastImageIsTheDisk();
    }

    [Fact]
    public void A_disk_that_was_written_to_at_rest_is_told_of_when_it_is_served_and_refuses_an_increment()
    {
        _folder.Sparse("disk", 8 << 20);
        Serve(0);
        Backup();
        using (FileStream file = new(Disk, FileMode.Open))
        {
            file.Seek(1 << 20, SeekOrigin.Begin);
            file.Write("behind the back"u8);
        }

        AssertRefused("the origin was changed by something else");
        using (EraServer server = EraServer.Start(_folder, Disk))
        {
            server.Terminate();
            Assert.Contains("the origin was changed by something else since era 1 ended (it was written to at", server.Errors, StringComparison.Ordinal);
        }

        AssertRefused("the origin was changed by something else");
        Backup("--full");
        Serve(4);
        Backup();
        AssertLastImageIsTheDisk();
    }

    [Fact]
    public void Since_a_mark_or_a_label_before_somebody_else_wrote_nothing_is_listed_and_since_the_number_what_is_known()
    {
        string moment;
        using (EraServer server = EraServer.Start(_folder, Disk, "--size", "8M"))
        {
            JsonElement begun = JsonDocument.Parse(server.Command("checkpoint", "disk", "--json", "--label", "here")).RootElement;
            moment = $"{begun.GetProperty("era").GetUInt32()}:{begun.GetProperty("mark").GetGuid()}";
            Oracle.NbdShell(server.Uri, "h.pwrite(b'x' * 65536, 1 << 20)").AssertSuccess();
            server.Terminate();
        }

        using (FileStream file = new(Disk, FileMode.Open)) file.Write("behind the back"u8);
        foreach (string since in (string[])[moment, "here"])
            AssertRefusedSince(since, "invalidate", "--written-since", since, $"{Disk}.era");

        using EraServer again = EraServer.Start(_folder, Disk);
        foreach (string since in (string[])[moment, "here"])
        {
            AssertRefusedSince(since, "changed", "disk", "--since", since);
            AssertRefusedSince(since, "rollback-plan", "disk", "--to", since, "--cache", "cache0", "--cache-table", "0 16384 cache /dev/1 /dev/2 /dev/3 128 0 default 0");
            Assert.NotEqual(0, Oracle.Run("nbdinfo", [$"--map=qemu:dirty-bitmap:since-{since}", again.Uri]).ExitCode);
        }

        Assert.Equal("16 17", again.Command("changed", "disk", "--since", "2", "--format", "ranges"));
        Assert.Contains("dirty", Oracle.Run(
            "nbdinfo", ["--map=qemu:dirty-bitmap:since-2", again.Uri]).AssertSuccess().Output, StringComparison.Ordinal);

        void AssertRefusedSince(string since, params string[] command)
        {
            ProgramResult refused = EraServer.Run(_folder, command);
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains(since, refused.Error, StringComparison.Ordinal);
            Assert.Contains("writes were missed", refused.Error, StringComparison.Ordinal);
            Assert.Contains("asks since 2, the number alone", refused.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void New_metadata_beside_an_old_chronicle_has_none_of_its_marks()
    {
        _folder.Sparse("disk", 8 << 20);
        Serve(0);
        string dump = EraServer.Run(_folder, "dump", $"{Disk}.era").AssertSuccess().Output;
        File.WriteAllText(_folder["xml"], dump);
        Assert.True(File.Exists($"{Disk}.era.chronicle"));

        EraServer.Run(_folder, "restore", "-i", _folder["xml"], "-o", $"{Disk}.era").AssertSuccess();

        Assert.False(File.Exists($"{Disk}.era.chronicle"));
    }

    private void Serve(params int[] blocks) => Serve("disk", blocks);

    private void Serve(string name, params int[] blocks)
    {
        using EraServer server = EraServer.Start(_folder, _folder[name]);
        string writes = string.Join("; ", blocks.Select(block => $"h.pwrite(b'{Guid.NewGuid():N}' * 2048, {block << 16})"));
        Oracle.NbdShell(server.Uri, writes).AssertSuccess();
        server.Terminate();
    }

    private string Backup(params string[] options) =>
        EraServer.Run(_folder, ["backup", Disk, "--to", Repository, .. options]).AssertSuccess().Output;

    private void AssertRefused(string because)
    {
        ProgramResult refused = EraServer.Run(_folder, "backup", Disk, "--to", Repository);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains(because, refused.Error, StringComparison.Ordinal);
        Assert.Contains("--full", refused.Error, StringComparison.Ordinal);
    }

    private void AssertLastImageIsTheDisk()
    {
        File.Delete(_folder["restored"]);
        EraServer.Run(_folder, "restore-image", Repository, "--to", _folder["restored"]).AssertSuccess();
        Oracle.Run("cmp", [_folder["restored"], Disk]).AssertSuccess();
    }
}
