using DmEra.Devices;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation;

/// <summary>One small life again and again: the k-th operation of a disk fails, for every k, in every way. A second life
/// shows that what is left can be gone on with.</summary>
internal static class FaultSweep
{
    private static readonly WorldShape Shape = new()
    {
        Sectors = (6 * WorldShape.SectorsPerBlock) - 3,
        MetadataBlocks = 40,
        RequestsPerClient = 12,
        Operators = 1,
        Observers = 1,
        OperationsPerLife = int.MaxValue,   // the power stays on
    };

    private static readonly (string Name, Func<long, DiskFaults> At)[] Ways =
    [
        ("EIO of the metadata", k => new("metadata EIO", Failing(k, Errno.EIO), new FaultPlan(new Random(0)))),
        ("EIO of the metadata, forgetting", k => new("metadata EIO", Failing(k, Errno.EIO, forgets: true), new FaultPlan(new Random(0)))),
        ("ENOSPC of the metadata", k => new("metadata ENOSPC", Failing(k, Errno.ENOSPC), new FaultPlan(new Random(0)))),
        ("EIO of the origin", k => new("origin EIO", new FaultPlan(new Random(0)), Failing(k, Errno.EIO))),
        ("EIO of the origin, forgetting", k => new("origin EIO", new FaultPlan(new Random(0)), Failing(k, Errno.EIO, forgets: true))),
        ("ENOSPC of the origin", k => new("origin ENOSPC", new FaultPlan(new Random(0)), Failing(k, Errno.ENOSPC))),
    ];

    /// <summary>Sweeps the life of one seed.</summary>
    /// <returns>How many faults were tried.</returns>
    /// <exception cref="SimulationException">It broke a promise; the text has the command that replays it.</exception>
    public static long Run(int seed, Coverage coverage)
    {
        long faults = 0;
        foreach ((string name, Func<long, DiskFaults> at) in Ways)
        {
            long k = 0;
            try
            {
                for (; Try(seed, at(k), coverage); k++) coverage.Count($"sweep: {name}");
            }
            catch (SimulationException broken)
            {
                throw new SimulationException(
                    $"{name} at operation {k}: {broken.Message}\nreplay: simulation sweep --seed {seed}", broken);
            }

            faults += k;
        }

        return faults;
    }

    /// <summary>Lives the life once.</summary>
    /// <returns>false: the life has fewer operations.</returns>
    private static bool Try(int seed, DiskFaults faults, Coverage coverage)
    {
        World world = new(Shape, coverage);
        new Life(seed, world, _ => faults) { ImaginesAfterFaultsOnly = true }.Run();
        if (!faults.Happened) return false;
        new Life(seed, world, _ => new("none", new FaultPlan(new Random(0)), new FaultPlan(new Random(0))))
        {
            ImaginesAfterFaultsOnly = true,
        }.Run();
        return true;
    }

    private static FaultPlan Failing(long k, int errno, bool forgets = false) =>
        new(new Random(0)) { FailAt = k, FailWith = errno, FailedFlushForgets = forgets };
}
