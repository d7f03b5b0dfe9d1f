using System.Text.Json;
using DmEra.Target.Mapping;
using DmEra.Tests.Backup;

namespace DmEra.Tests.Cli.Commands;

/// <summary>The commands on repositories, on files, with our own target writing the disk in between.</summary>
public sealed class BackupCommandsTests : IDisposable
{
    private const long Size = 96 << 20;
    private const int BlockSize = 65536;
    private readonly TempFolder _folder = new();

    public BackupCommandsTests()
    {
        _folder.Sparse("disk.img", Size);
        _folder.Sparse("disk.img.era", 4 << 20);
        Write(0, 3, 700, 1535);
    }

    private string Disk => _folder["disk.img"];

    private string Repository => _folder["repository"];

    [Fact]
    public void Images_are_taken_listed_verified_restored_exported_and_pruned()
    {
        Assert.StartsWith("image 1: full, up to era 1; ", Run("backup", Disk, "--to", Repository).Output);
        File.Copy(Disk, _folder["at1.img"]);
        Write(3, 4, 5);
        Assert.StartsWith("on top of image 1: 192 KiB to read", Run("backup", Disk, "--to", Repository, "--estimate").Output);
        string taken = Run("backup", Disk, "--to", Repository, "--label", "before upgrade").Output;
        Assert.StartsWith("image 2: on top of image 1, up to era 2; 192 KiB read, ", taken);
        Assert.EndsWith("; the device was not in use\n", taken);
        File.Copy(Disk, _folder["at2.img"]);

        string[] list = Run("backups", Repository).Output.Split('\n');
        Assert.StartsWith("┌─ 1   ", list[1]);
        Assert.StartsWith("└─ 2   ", list[2]);
        Assert.EndsWith("before upgrade", list[2]);
        Assert.StartsWith("all is well: images 2, ", Run("verify", Repository).Output);
        Assert.StartsWith("all is well: images 2, ", Run("verify", "--content", Repository).Output);

        Run("restore-image", Repository, "--at", "1", "--to", _folder["restored.img"]);
        AssertSame("at1.img", "restored.img");
        Run("restore-image", Repository, "--at", "before upgrade", "--to", _folder["restored.img"], "--overwrite");
        AssertSame("at2.img", "restored.img");
        Run("export", Repository, "-o", _folder["exported.qcow2"]);
        Oracle.Run("qemu-img", "compare", _folder["exported.qcow2"], _folder["at2.img"]).AssertSuccess();
        Run("export", Repository, "--at", "1", "-o", _folder["exported.img"]);
        AssertSame("at1.img", "exported.img");

        Assert.Equal("keeps image 2\nwould remove image 1\n", Run("prune", Repository, "--keep", "1", "--dry-run").Output);
        Assert.StartsWith("keeps image 2\nremoved image 1; ", Run("prune", Repository, "--keep", "1").Output);
        Assert.Contains("incremental (on 1, pruned)", Run("backups", Repository).Output, StringComparison.Ordinal);
        Run("restore-image", Repository, "--to", _folder["again.img"]);
        AssertSame("at2.img", "again.img");
        Assert.Empty(Directory.GetFiles(_folder.Path, "*.partial"));
    }

    [Fact]
    public void A_restored_file_takes_no_space_for_zeroes()
    {
        Run("backup", Disk, "--to", Repository);

        Run("restore-image", Repository, "--to", _folder["restored.img"]);

        string kibibytes = Oracle.Run("du", "-k", _folder["restored.img"]).AssertSuccess().Output.Split('\t')[0];
        Assert.InRange(int.Parse(kibibytes), 4 * 64, 8 * 64);
    }

    [Fact]
    public void Rolling_back_writes_what_was_written_since_and_the_next_backup_knows()
    {
        Run("backup", Disk, "--to", Repository);
        File.Copy(Disk, _folder["at1.img"]);
        Write(3, 4, 900);
        Run("backup", Disk, "--to", Repository);
        Write(5);

        string done = Run("restore-image", Repository, "--at", "1", "--to", Disk, "--only-changed").Output;

        Assert.Contains("back to image 1, 256 KiB written, recorded in era 4", done, StringComparison.Ordinal);
        AssertSame("at1.img", "disk.img");
        Oracle.EraCheck(_folder["disk.img.era"]);
        Assert.StartsWith("image 3: on top of image 2, up to era 4; 256 KiB read", Run("backup", Disk, "--to", Repository).Output);
        Run("restore-image", Repository, "--to", _folder["restored.img"]);
        AssertSame("at1.img", "restored.img");
    }

    [Fact]
    public void Restoring_a_whole_tracked_disk_is_recorded_too()
    {
        Run("backup", Disk, "--to", Repository);
        File.Copy(Disk, _folder["at1.img"]);
        Write(3, 4, 900);

        Run("restore-image", Repository, "--at", "1", "--to", Disk, "--overwrite");

        AssertSame("at1.img", "disk.img");
        Assert.Contains("96.0 MiB read", Run("backup", Disk, "--to", Repository).Output, StringComparison.Ordinal);
    }

    [Theory, InlineData("disk.img"), InlineData("other.img")]
    public void What_is_there_is_not_written_over_unasked(string name)
    {
        Run("backup", Disk, "--to", Repository);
        if (!File.Exists(_folder[name])) File.WriteAllText(_folder[name], "precious");
        byte[] before = File.ReadAllBytes(_folder[name]);

        Assert.Contains("say --overwrite", Fail("restore-image", Repository, "--to", _folder[name]), StringComparison.Ordinal);

        Assert.Equal(before, File.ReadAllBytes(_folder[name]));
    }

    [Fact]
    public void A_longer_file_loses_its_old_end()
    {
        Run("backup", Disk, "--to", Repository);
        File.WriteAllBytes(_folder["longer.img"], [.. Enumerable.Repeat((byte)7, (int)Size + 5000)]);

        Run("restore-image", Repository, "--to", _folder["longer.img"], "--overwrite");

        AssertSame("disk.img", "longer.img");
    }

    [Theory, InlineData("--overwrite"), InlineData("--only-changed")]
    public void A_tracked_disk_that_has_grown_has_zeroes_behind_the_image(string how)
    {
        Run("backup", Disk, "--to", Repository);
        File.Copy(Disk, _folder["at1.img"]);
        using (FileStream file = File.OpenWrite(_folder["at1.img"])) file.SetLength(Size + (4 * BlockSize));
        WriteGrown((int)(Size / BlockSize) + 1, Size + (4 * BlockSize));

        string done = Run("restore-image", Repository, "--to", Disk, how).Output;

        Assert.Contains("the last 256 KiB are zeroes now", done, StringComparison.Ordinal);
        AssertSame("at1.img", "disk.img");
    }

    [Fact]
    public void What_is_made_of_an_image_is_for_its_owner_alone()
    {
        Run("backup", Disk, "--to", Repository);
        // In processes of their own: what they let others read is theirs.
        foreach (string[] command in (string[][])[["restore-image", Repository, "--to"], ["export", Repository, "-o"]])
        {
            foreach (string name in (string[])["new.img", "new.qcow2"])
            {
                Oracle.Run("bash", ["-c", "umask 0; exec \"$@\"", "bash", Path.Combine(AppContext.BaseDirectory, "era"), .. command, _folder[name]])
                    .AssertSuccess();
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder[name]));
                File.Delete(_folder[name]);
            }
        }

        foreach (string entry in Directory.EnumerateFileSystemEntries(Repository, "*", SearchOption.AllDirectories).Append(Repository))
            Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(entry) & (UnixFileMode)0b111_111);
    }

    [Fact]
    public void Whoever_gives_a_secret_never_works_on_a_repository_that_is_not_encrypted()
    {
        File.WriteAllBytes(_folder["key"], new byte[32]);
        Run("backup", Disk, "--to", Repository);
        string program = Path.Combine(AppContext.BaseDirectory, "era");

        Assert.Contains("not encrypted", Fail("backup", Disk, "--to", Repository, "--key-file", _folder["key"]), StringComparison.Ordinal);
        foreach (string[] command in (string[][])[["backup", Disk, "--to", Repository], ["restore-image", Repository, "--to", _folder["x"]], ["verify", Repository]])
        {
            ProgramResult result = Oracle.Run("env", ["ERA_PASSPHRASE=open sesame", program, .. command]);
            Assert.Equal(1, result.ExitCode);
            Assert.Contains("not encrypted", result.Error, StringComparison.Ordinal);
        }

        Assert.Equal(1, Json("backups", Repository, "--json").GetArrayLength());
    }

    [Fact]
    public void A_rollback_of_another_disk_is_refused_and_changes_nothing()
    {
        Run("backup", Disk, "--to", Repository);
        File.Delete(_folder["disk.img.era"]);
        _folder.Sparse("disk.img.era", 4 << 20);
        Write(9);
        byte[] before = File.ReadAllBytes(_folder["disk.img.era"]);

        string line = Fail("restore-image", Repository, "--to", Disk, "--only-changed");

        Assert.Contains("do not belong together: it is of another device", line, StringComparison.Ordinal);
        Assert.Contains("without --only-changed", line, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(_folder["disk.img.era"]));
    }

    [Fact]
    public void An_encrypted_repository_asks_for_its_key()
    {
        File.WriteAllBytes(_folder["key"], new byte[32]);
        File.WriteAllBytes(_folder["other"], [.. Enumerable.Repeat((byte)1, 32)]);
        File.WriteAllText(_folder["passphrase"], "open sesame\n");
        Run("backup", Disk, "--to", Repository, "--key-file", _folder["key"]);

        Assert.Contains("give the key file", Fail("backups", Repository), StringComparison.Ordinal);
        Assert.Contains("not its key file", Fail("verify", Repository, "--key-file", _folder["other"]), StringComparison.Ordinal);
        Assert.Contains("under a key file", Fail("backup", Disk, "--to", Repository, "--passphrase-file", _folder["passphrase"]), StringComparison.Ordinal);
        Run("verify", Repository, "--key-file", _folder["key"]);
        Oracle.Run("bash", "-c", "\"$2\" verify \"$1/repository\" --key-file <(cat \"$1/key\")", "bash", _folder.Path, Path.Combine(AppContext.BaseDirectory, "era"))
            .AssertSuccess();
        Run("restore-image", Repository, "--key-file", _folder["key"], "--to", _folder["restored.img"]);
        AssertSame("disk.img", "restored.img");
    }

    [Fact]
    public void Programs_can_read_it_all()
    {
        JsonElement image = Json("backup", Disk, "--to", Repository, "--json");
        Assert.Equal(1, image.GetProperty("number").GetInt32());
        Assert.Equal(Size / 512, image.GetProperty("device").GetProperty("sizeSectors").GetInt64());
        Assert.Equal(JsonValueKind.Null, image.GetProperty("parent").ValueKind);

        Assert.Equal(0, Json("backup", Disk, "--to", Repository, "--estimate", "--json").GetProperty("bytes").GetInt64());
        Assert.Equal(1, Json("backups", Repository, "--json").GetArrayLength());
        Assert.Equal(0, Json("verify", Repository, "--json").GetProperty("damage").GetArrayLength());
        Assert.Equal(1, Json("prune", Repository, "--keep", "3", "--dry-run", "--json").GetProperty("kept")[0].GetInt32());
    }

    [Fact]
    public void Damage_is_told_with_the_images_that_suffer()
    {
        Run("backup", Disk, "--to", Repository);
        string pack = Directory.GetFiles(Path.Combine(Repository, "packs/000001")).Order(StringComparer.Ordinal).First();
        byte[] bytes = File.ReadAllBytes(pack);
        bytes[^5] ^= 4;
        File.WriteAllBytes(pack, bytes);

        CommandRun verify = CommandRun.Of("verify", Repository);

        Assert.Equal(1, verify.ExitCode);
        Assert.Contains($"packs/000001/{Path.GetFileName(pack)}: record 3 is not as it was stored; "
            + "image 1 cannot be restored in full (64.0 KiB)", verify.Output, StringComparison.Ordinal);
        Assert.Contains("damaged: record 3", Fail("restore-image", Repository, "--to", _folder["restored.img"]), StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["restored.img"]));
        Assert.False(File.Exists(_folder["restored.img.partial"]));
        // The way out.
        Run("backup", Disk, "--to", Repository, "--full");
        Run("prune", Repository, "--keep", "1");
        Run("verify", Repository);
    }

    [Fact]
    public void A_device_in_use_and_missing_halves_are_named()
    {
        using (EraTarget target = Open())
        {
            target.Resume();
            Assert.Contains("in use", Fail("backup", Disk, "--to", Repository), StringComparison.Ordinal);
            Assert.Contains("in use", Fail("restore-image", CopyOfARepository(), "--to", Disk, "--overwrite"), StringComparison.Ordinal);
        }

        File.Delete(_folder["disk.img.era"]);
        Assert.Contains("disk.img.era", Fail("backup", Disk, "--to", Repository), StringComparison.Ordinal);
        Assert.False(Directory.Exists(Repository));
        Assert.Contains("no repository", Fail("backups", Repository), StringComparison.Ordinal);
        Assert.Contains("no image '7'", Fail("restore-image", CopyOfARepository(), "--at", "7", "--to", _folder["x"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Metadata_that_is_damaged_is_named_and_nothing_is_taken()
    {
        byte[] metadata = File.ReadAllBytes(_folder["disk.img.era"]);
        for (int block = 1; block < 40; block++) metadata[(block * 4096) + 2000] ^= 1;
        File.WriteAllBytes(_folder["disk.img.era"], metadata);

        string line = Fail("backup", Disk, "--to", Repository, "--estimate");

        Assert.Contains("disk.img.era", line, StringComparison.Ordinal);
        Assert.Contains("era check", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("prune", "repository")]
    [InlineData("export", "repository", "-o", "x.img", "--format", "vmdk")]
    [InlineData("prune", "repository", "--keep", "-1")]
    [InlineData("backup", "disk.img")]
    [InlineData("backup", "disk.img", "--to", "repository", "--label", "two\nlines")]
    [InlineData("backup", "disk.img", "--to", "repository", "--label", "2")]
    public void Command_lines_that_make_no_sense_are_refused(params string[] arguments) =>
        CommandRun.Of(arguments).FailedWith(2);

    [Theory]
    [InlineData("backups", "s3://")]
    [InlineData("backups", "s3:///prefix")]
    [InlineData("backups", "s3+http://127.0.0.1")]
    public void An_address_without_a_bucket_is_refused(params string[] arguments) =>
        Assert.Contains("the bucket is missing", CommandRun.Of(arguments).FailedWith(1), StringComparison.Ordinal);

    [Theory, InlineData(false), InlineData(true)]
    public void Metadata_that_is_none_is_named_by_a_restore(bool onlyChanged)
    {
        Run("backup", Disk, "--to", Repository);
        File.WriteAllText(_folder["notes"], "no metadata");
        string[] more = [onlyChanged ? "--only-changed" : "--overwrite"];

        string line = Fail(["restore-image", Repository, "--to", Disk, "--metadata", _folder["notes"], .. more]);

        Assert.StartsWith($"era: {_folder["notes"]}: ", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("backup", "{disk}", "--to", "{disk}")]
    [InlineData("backups", "{disk}")]
    [InlineData("verify", "{disk}")]
    public void A_file_is_no_repository(params string[] arguments) =>
        Assert.Contains(
            "disk.img: a file; a repository is a folder",
            Fail([.. arguments.Select(argument => argument.Replace("{disk}", Disk, StringComparison.Ordinal))]), StringComparison.Ordinal);

    [Fact]
    public void A_name_with_a_colon_is_no_protocol_of_qemu()
    {
        Run("backup", Disk, "--to", Repository);

        // In a process of its own: the name is a bare one there.
        Oracle.Run("bash", "-c", "cd \"$1\" && \"$2\" export repository -o 5:30.qcow2", "bash", _folder.Path, Path.Combine(AppContext.BaseDirectory, "era"))
            .AssertSuccess();

        Oracle.Run("qemu-img", "compare", _folder["5:30.qcow2"], Disk).AssertSuccess();
    }

    [Fact]
    public void The_client_of_object_stores_is_loaded_for_object_stores_only()
    {
        // In a process of its own: this one may have loaded it already.
        ProgramResult result = Oracle.Run(
            "strace", "-f", "-e", "trace=openat", Path.Combine(AppContext.BaseDirectory, "era"), "backup", Disk, "--to", Repository);

        result.AssertSuccess();
        Assert.Contains("DmEra.Backup.dll", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("AWSSDK", result.Error, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static CommandRun Run(params string[] arguments)
    {
        CommandRun run = CommandRun.Of(arguments);
        Assert.True(run.ExitCode == 0, $"{string.Join(' ', arguments)}: {run.Error}{run.Output}");
        return run;
    }

    private static string Fail(params string[] arguments) => CommandRun.Of(arguments).FailedWith(1);

    private static JsonElement Json(params string[] arguments) => JsonDocument.Parse(Run(arguments).Output).RootElement;

    private EraTarget Open() => EraTarget.Create(
        new EraTable(0, Size / 512, _folder["disk.img.era"], Disk, BlockSize / 512), new EraTargetOptions());

    // In an era of its own.
    private void Write(params int[] blocks)
    {
        using EraTarget target = Open();
        target.Resume();
        byte[] content = new byte[BlockSize];
        foreach (int block in blocks)
        {
            new Random(block + (int)target.Status.CurrentEra).NextBytes(content);
            target.Device.Write((long)block * BlockSize, content);
        }
    }

    // As after 'era resize'.
    private void WriteGrown(int block, long size)
    {
        using EraTarget target = Open();
        target.Resume();
        Oracle.Run("truncate", ["-s", $"{size}", Disk]).AssertSuccess();
        target.Resize(size / 512);
        target.Device.Write((long)block * BlockSize, new byte[] { 1, 2, 3, 4 });
    }

    private string CopyOfARepository()
    {
        string path = _folder["another"];
        if (Directory.Exists(path)) return path;
        ModelSource source = new(Size / 512);
        using DmEra.Backup.Images.Repository repository = TestRepository.New(new DmEra.Backup.Stores.FolderStore(path));
        repository.Backup(source);
        return path;
    }

    private void AssertSame(string one, string other) => Oracle.Run("cmp", _folder[one], _folder[other]).AssertSuccess();
}
