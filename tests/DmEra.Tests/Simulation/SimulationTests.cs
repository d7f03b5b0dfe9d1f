using System.Security.Cryptography;
using System.Text;
using DmEra.Simulation;
using DmEra.Simulation.Devices;
using Xunit.Abstractions;

namespace DmEra.Tests.Simulation;

public class SimulationTests(ITestOutputHelper output)
{
    private const long PowerCuts = 60_000;

    [Fact]
    public void Nothing_acknowledged_is_forgotten_whenever_the_power_goes()
    {
        Coverage coverage = new();
        const int seed = 1;
        int worlds = 0;
        while (coverage.PowerCuts < PowerCuts) Worlds.Run(seed + worlds++, coverage);
        output.WriteLine($"{worlds} worlds from seed {seed} on, {coverage.PowerCuts} power cuts");
        output.WriteLine(coverage.ToString());

        // Worlds in which none of it happens any more would find nothing, too.
        Assert.All(
            [
                "observer copies since an era seen in a status", "observer copies since an era seen in a view of the history",
                "observer copies since an era seen in a list in JSON", "observer copies since an era seen in the names of contexts",
                "observer copies since an era seen in era:last of a block",
                "observer copies since an era seen in the answer to a checkpoint", "observer copies since an era seen in a pause",
                "NBD client has its answers before it says all", "NBD client is cut off", "NBD client is turned away", "NBD server is restarted",
                "observer is refused, and begins anew", "blocks are marked ahead", "origin server crashes", "origin server restarts",
                .. Enum.GetNames<Rollback>().Select(what => $"rollback: {what}"),
            ],
            what => Assert.True(coverage.Events.GetValueOrDefault(what) > 0, what));
    }

    [Fact]
    public void Nothing_acknowledged_is_forgotten_whichever_disk_operation_fails()
    {
        Coverage coverage = new();
        long faults = FaultSweep.Run(seed: 1, coverage);
        output.WriteLine($"{faults} faults, {coverage.PowerCuts} power cuts\n{coverage}");
        Assert.True(faults > 150, $"{faults} faults");
    }

    [Fact]
    public void Era_check_accepts_what_a_power_cut_leaves()
    {
        for (int seed = 1; seed <= 40; seed++) Worlds.Run(seed, new Coverage(), world => Oracle.EraCheck(world.Metadata.Visible));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Same_seed_gives_the_same_run_to_the_byte(int seed)
    {
        string first = Record(seed);
        Assert.Equal(first, Record(seed));
    }

    // What both disks hold after each life, which writes are not stable, and all that was counted.
    private static string Record(int seed)
    {
        Coverage coverage = new();
        StringBuilder record = new();
        Worlds.Run(seed, coverage, world =>
        {
            foreach (DiskContent disk in (DiskContent[])[world.Metadata, world.Origin])
            {
                record.Append(Convert.ToHexString(SHA256.HashData(disk.Visible))).Append(' ')
                    .Append(Convert.ToHexString(SHA256.HashData(disk.Stable))).Append(' ')
                    .Append(disk.LastWrite).Append(' ')
                    .Append(disk.VolatileWrites).AppendLine();
            }
        });
        return record.Append(coverage.PowerCuts).AppendLine().Append(coverage).ToString();
    }
}
