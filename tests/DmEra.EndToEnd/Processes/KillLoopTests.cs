using System.Globalization;
using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Tests;
using DmEra.Tools.Check;

namespace DmEra.EndToEnd.Processes;

/// <summary>
/// The process dies again and again under load, and is started again. Each time every block that differs from a copy
/// made after the last checkpoint must be among those that era names.
/// </summary>
/// <remarks><c>ERA_KILL_CYCLES=200 ./test KillLoop</c> does it as often.</remarks>
public sealed class KillLoopTests : IDisposable
{
    private const int MostCheckpoints = 4;
    private const int Loads = 3;

    private readonly TempFolder _folder = new();

    private static int Cycles { get; } =
        int.Parse(Environment.GetEnvironmentVariable("ERA_KILL_CYCLES") ?? "10", CultureInfo.InvariantCulture);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Changed_since_the_last_backup_covers_every_difference_however_often_the_process_is_killed()
    {
        Random random = new(1);
        uint backedUpIn = 0;
        IReadOnlyList<uint> different = [];
        int[] differencesOfLoad = new int[Loads];
        for (int cycle = 0; cycle < Cycles; cycle++)
        {
            using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "32M");
            if (cycle > 0) AssertCovered(different, Oracle.Blocks(server.Changed("disk", backedUpIn)), cycle);
            using (RunningProgram load = StartLoad(server, cycle))
            {
                for (int i = random.Next(1, MostCheckpoints); i > 0; i--)
                    backedUpIn = uint.Parse(server.Command("checkpoint", "disk"), CultureInfo.InvariantCulture);
                Oracle.Run("cp", "--sparse=always", _folder["disk"], _folder["copy"]).AssertSuccess();
                for (int i = random.Next(3); i > 0; i--) server.Command("checkpoint", "disk");
                server.Kill();
            }

            Oracle.EraCheck(_folder["disk.era"]);
            different = Images.DifferentBlocks(_folder["copy"], _folder["disk"]);
            AssertCovered(different, ChangedAtRest(backedUpIn), cycle);
            differencesOfLoad[cycle % Loads] += different.Count;
        }

        Assert.DoesNotContain(0, differencesOfLoad);
    }

    // Anything goes on until the server does not.
    private static RunningProgram StartLoad(EraServer server, int cycle) => (cycle % Loads) switch
    {
        0 => new("fio",
            ["--name=load", "--ioengine=nbd", $"--uri={server.Uri}", "--rw=randwrite", "--bsrange=512-64k", "--iodepth=16",
                "--size=32m", "--time_based", "--runtime=600", $"--randseed={cycle}"]),
        1 => new("qemu-img",
            ["bench", "-f", "raw", "-w", "-c", "100000000", "-d", "16", "-s", "4096", "-S", "61440",
                "--flush-interval=32", server.Uri]),
        _ => new("fio",
            ["--name=load", "--ioengine=nbd", $"--uri={server.Uri}", "--rw=randtrimwrite", "--bs=4k", "--iodepth=32",
                "--size=32m", "--time_based", "--runtime=600", $"--randseed={cycle}", "--fsync=64"]),
    };

    private IEnumerable<uint> ChangedAtRest(uint since)
    {
        using FileBlockDevice metadata = FileBlockDevice.OpenReadOnly(_folder["disk.era"]);
        Assert.Empty(MetadataChecker.Check(metadata).Faults);
        using EraHistory history = EraHistory.Open(metadata);
        return [.. Oracle.Blocks(history.WrittenSince(since).Select(range => (range.Begin, range.End)))];
    }

    private static void AssertCovered(IEnumerable<uint> different, IEnumerable<uint> changed, int cycle)
    {
        uint[] lost = [.. different.Except(changed)];
        Assert.True(lost.Length == 0, $"cycle {cycle}: blocks {string.Join(", ", lost)} changed, and nobody knows");
    }
}
