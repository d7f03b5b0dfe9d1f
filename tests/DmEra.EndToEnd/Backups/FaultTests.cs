using DmEra.EndToEnd.Processes;
using DmEra.Tests;

namespace DmEra.EndToEnd.Backups;

/// <summary>Real programs that are killed, and a real disk that is full.</summary>
public sealed class FaultTests : IDisposable
{
    private const int DiskLength = 48 << 20;

    private readonly TempFolder _folder = new();

    public FaultTests()
    {
        byte[] content = new byte[DiskLength];
        new Random(1).NextBytes(content);
        File.WriteAllBytes(_folder["disk"], content);
        using EraServer server = EraServer.Start(_folder, _folder["disk"]);
        server.Terminate();
    }

    private string Repository => _folder["repository"];

    [Fact]
    public void A_backup_that_is_killed_again_and_again_comes_to_its_end()
    {
        for (int packs = 1; packs <= 4; packs++)
        {
            using RunningProgram backup = new(EraServer.Program, ["backup", _folder["disk"], "--to", Repository]);
            Eventually.Equal("True", () => $"{PackCount() >= packs}", $"{packs} packs");
            backup.Kill();
            if (!File.Exists(Path.Combine(Repository, "repository"))) continue;
            Assert.StartsWith("all is well", Run("verify", Repository));
        }

        string taken = Run("backup", _folder["disk"], "--to", Repository);

        // It may have been faster than the last kill.
        Assert.Matches("^image [12]: ", taken);
        Assert.StartsWith("all is well", Run("verify", Repository));
        Run("restore-image", Repository, "--to", _folder["restored"]);
        Oracle.Run("cmp", _folder["restored"], _folder["disk"]).AssertSuccess();
    }

    [Fact]
    public void A_full_disk_ends_the_backup_with_its_reason_and_the_next_one_goes_on()
    {
        Directory.CreateDirectory(Repository);
        string output = Oracle.Run("unshare", "-rm", "sh", "-c",
            $"""
            mount -t tmpfs -o size=20m none {Repository}
            {EraServer.Program} backup {_folder["disk"]} --to {Repository} 2>&1
            echo "exit status $?"
            {EraServer.Program} backups {Repository} 2>&1
            mount -o remount,size=100m {Repository}
            {EraServer.Program} backup {_folder["disk"]} --to {Repository}
            {EraServer.Program} verify {Repository}
            {EraServer.Program} restore-image {Repository} --to {_folder["restored"]}
            """).AssertSuccess().Output;

        string[] lines = output.Split('\n');
        Assert.Matches($"^era: {Repository}: cannot write packs/.*(No space left|[Dd]isk full|full)", lines[0]);
        Assert.Equal("exit status 1", lines[1]);
        Assert.Contains("continued after an interruption", output, StringComparison.Ordinal);
        Assert.Contains("all is well: images 1", output, StringComparison.Ordinal);
        Oracle.Run("cmp", _folder["restored"], _folder["disk"]).AssertSuccess();
    }

    [Fact]
    public void A_prune_on_a_full_disk_makes_room()
    {
        Directory.CreateDirectory(Repository);
        string output = Oracle.Run("unshare", "-rm", "sh", "-c",
            $"""
            mount -t tmpfs -o size=120m none {Repository}
            {EraServer.Program} backup {_folder["disk"]} --to {Repository}
            {EraServer.Program} backup {_folder["disk"]} --to {Repository} --full
            cat /dev/zero > {Repository}/filler 2> /dev/null
            {EraServer.Program} prune {Repository} --keep 1 2>&1
            {EraServer.Program} verify {Repository} 2>&1
            {EraServer.Program} restore-image {Repository} --to {_folder["restored"]}
            """).AssertSuccess().Output;

        Assert.Contains("keeps image 2\nremoved image 1; 48", output, StringComparison.Ordinal);
        Assert.Contains("all is well: images 1", output, StringComparison.Ordinal);
        Oracle.Run("cmp", _folder["restored"], _folder["disk"]).AssertSuccess();
    }

    [Fact]
    public void A_device_of_more_than_128_TiB_is_taken_listed_and_restored()
    {
        string output = Oracle.Run("unshare", "-rm", "sh", "-c",
            $"""
            mount -t tmpfs none {_folder.Path} && cd {_folder.Path} && export ERA_RUNTIME_DIR=$PWD/run && mkdir -m 700 run
            truncate -s 130T huge && printf x | dd of=huge bs=1 seek=142000000000000 conv=notrunc status=none
            {EraServer.Program} serve huge --block-size 64M > ready 2>&1 &
            until grep -q ready ready; do kill -0 $! || exit 1; done
            {EraServer.Program} stop huge && wait $!
            {EraServer.Program} backup huge --to repository && {EraServer.Program} backups repository && {EraServer.Program} verify repository
            {EraServer.Program} restore-image repository --to restored && cmp -i 141999999000000 -n 2000000 huge restored && stat -c %s restored
            """).AssertSuccess().Output;

        Assert.Contains("all is well: images 1", output, StringComparison.Ordinal);
        Assert.EndsWith($"{130L << 40}\n", output);
    }

    [Fact]
    public void A_repository_that_was_put_back_as_a_whole_is_noticed_by_the_device()
    {
        Run("backup", _folder["disk"], "--to", Repository);
        Oracle.Run("cp", "-a", Repository, _folder["copy"]).AssertSuccess();
        Run("backup", _folder["disk"], "--to", Repository);
        Directory.Delete(Repository, recursive: true);
        Directory.Move(_folder["copy"], Repository);

        ProgramResult taken = EraServer.Run(_folder, "backup", _folder["disk"], "--to", Repository).AssertSuccess();

        Assert.Contains("image 2, taken of this device on", taken.Error, StringComparison.Ordinal);
        Assert.StartsWith("image 2: on top of image 1", taken.Output);
    }

    public void Dispose() => _folder.Dispose();

    private string Run(params string[] arguments) => EraServer.Run(_folder, arguments).AssertSuccess().Output;

    private int PackCount() => Directory.Exists(Path.Combine(Repository, "packs"))
        ? Directory.GetFiles(Path.Combine(Repository, "packs"), "*", SearchOption.AllDirectories).Length
        : 0;
}
