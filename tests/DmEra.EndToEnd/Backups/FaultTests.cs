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

    public void Dispose() => _folder.Dispose();

    private string Run(params string[] arguments) => EraServer.Run(_folder, arguments).AssertSuccess().Output;

    private int PackCount() => Directory.Exists(Path.Combine(Repository, "packs"))
        ? Directory.GetFiles(Path.Combine(Repository, "packs"), "*", SearchOption.AllDirectories).Length
        : 0;
}
