using DmEra.Devices;

namespace DmEra.Simulation.Devices;

/// <summary>Chooses what goes wrong in a life: nothing, in half of them.</summary>
internal static class FaultMenu
{
    private const int LastOperation = 300;

    public static (FaultPlan Metadata, FaultPlan Origin) Choose(Random random, Coverage coverage)
    {
        FaultPlan none = new(random);
        (string name, FaultPlan metadata, FaultPlan origin) = random.Next(16) switch
        {
            0 => ("metadata EIO", Failing(random, Errno.EIO, 1, random.Next(2) == 0), none),
            1 => ("metadata ENOSPC", Failing(random, Errno.ENOSPC, 1, random.Next(2) == 0), none),
            2 => ("metadata fails for good", Failing(random, Errno.EIO, long.MaxValue / 2), none),
            3 => ("metadata read corrupted", new FaultPlan(random) { CorruptOneReadIn = 40 }, none),
            4 => ("metadata read misdirected", new FaultPlan(random) { MisdirectOneReadIn = 40 }, none),
            5 => ("origin EIO", none, Failing(random, Errno.EIO, random.Next(1, 4))),
            6 => ("origin ENOSPC", none, Failing(random, Errno.ENOSPC, random.Next(1, 4))),
            7 => ("both slow", new FaultPlan(random) { SlowOneIn = 8 }, new FaultPlan(random) { SlowOneIn = 8 }),
            _ => ("none but power cuts", none, none),
        };
        coverage.Count(name);
        return (metadata, origin);
    }

    private static FaultPlan Failing(Random random, int errno, long count, bool forgets = false) =>
        new(random)
        {
            FailAt = random.Next(LastOperation),
            FailCount = count,
            FailWith = errno,
            FailedFlushForgets = forgets,
        };
}
