using DmEra.Simulation;
using Xunit.Abstractions;

namespace DmEra.Tests.Simulation;

public class SimulationTests(ITestOutputHelper output)
{
    private const long PowerCuts = 20_000;

    [Fact]
    public void Nothing_acknowledged_is_forgotten_whenever_the_power_goes()
    {
        Coverage coverage = new();
        const int seed = 1;
        int worlds = 0;
        while (coverage.PowerCuts < PowerCuts) Worlds.Run(seed + worlds++, coverage);
        output.WriteLine($"{worlds} worlds from seed {seed} on, {coverage.PowerCuts} power cuts");
        output.WriteLine(coverage.ToString());
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
        for (int seed = 1; seed <= 40; seed++) Worlds.Run(seed, new Coverage(), metadata => Oracle.EraCheck(metadata));
    }

    [Fact]
    public void Same_seed_gives_the_same_run()
    {
        Coverage first = new(), second = new();
        for (int seed = 1; seed <= 5; seed++)
        {
            Worlds.Run(seed, first);
            Worlds.Run(seed, second);
        }

        Assert.Equal(first.PowerCuts, second.PowerCuts);
        Assert.Equal(first.Events, second.Events);
    }
}
