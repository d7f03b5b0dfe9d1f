using DmEra.Devices;

namespace DmEra.Simulation.Devices;

/// <summary>What goes wrong with the disks of one life.</summary>
/// <param name="Name">In a few words.</param>
/// <param name="Metadata">On the metadata disk.</param>
/// <param name="Origin">On the origin.</param>
internal sealed record DiskFaults(string Name, FaultPlan Metadata, FaultPlan Origin)
{
    /// <summary>Whether requests may fail.</summary>
    public bool AreDue => Metadata.IsFaulty || Origin.IsFaulty;

    /// <summary>Whether some did.</summary>
    public bool Happened => Metadata.Injected + Origin.Injected > 0;
}

/// <summary>Chooses what goes wrong in a life: nothing, in half of them.</summary>
internal static class FaultMenu
{
    private const int LastOperation = 300;
    private const int LastFlush = 60;

    public static DiskFaults Choose(Random random)
    {
        FaultPlan none = new(random);
        return random.Next(22) switch
        {
            0 => new("metadata EIO", Failing(random, Errno.EIO, 1, random.Next(2) == 0), none),
            1 => new("metadata ENOSPC", Failing(random, Errno.ENOSPC, 1, random.Next(2) == 0), none),
            2 => new("metadata fails for good", Failing(random, Errno.EIO, long.MaxValue / 2), none),
            3 => new("metadata flush fails and forgets", FailingFlush(random), none),
            4 => new("metadata read corrupted", new FaultPlan(random) { CorruptOneReadIn = 40 }, none),
            5 => new("metadata read misdirected", new FaultPlan(random) { MisdirectOneReadIn = 40 }, none),
            6 => new("metadata read short", new FaultPlan(random) { ShortenOneReadIn = 40 }, none),
            7 => new("origin EIO", none, Failing(random, Errno.EIO, random.Next(1, 4), random.Next(2) == 0)),
            8 => new("origin ENOSPC", none, Failing(random, Errno.ENOSPC, random.Next(1, 4))),
            9 => new("origin read short", none, new FaultPlan(random) { ShortenOneReadIn = 20 }),
            10 => new("both slow", new FaultPlan(random) { SlowOneIn = 8 }, new FaultPlan(random) { SlowOneIn = 8 }),
            11 => new("origin flush fails and forgets", none, FailingFlush(random)),
            _ => new("none", none, none),
        };
    }

    private static FaultPlan Failing(Random random, int errno, long count, bool forgets = false) =>
        new(random)
        {
            FailAt = random.Next(LastOperation),
            FailCount = count,
            FailWith = errno,
            FailedFlushForgets = forgets,
        };

    private static FaultPlan FailingFlush(Random random) =>
        new(random)
        {
            FailAt = random.Next(LastFlush),
            FailOnly = DiskOperationKind.Flush,
            FailedFlushForgets = true,
        };
}
