namespace DmEra.EndToEnd.Kernel;

/// <summary>What may have happened to a device before the other implementation takes over its metadata.</summary>
internal static class Histories
{
    /// <summary>Blocks of the device at first.</summary>
    public const uint BlockCount = 2048;

    private const uint LargestBlockCount = 1 << 18;

    /// <summary>Room for a device of any length that occurs.</summary>
    public const long OriginBytes = (LargestBlockCount + 1000L) * EraRun.BlockSectors * 512;

    private static readonly Dictionary<string, Action<EraRun>> Steps = new(StringComparer.Ordinal)
    {
        ["fresh"] = run => { },
        ["one era"] = run => run.Write(0, 1, 63, 64, 500, 1017, 1018, BlockCount - 1),
        ["many eras"] = ManyEras,
        ["large"] = Large,
        ["snapshot held"] = SnapshotHeld,
        ["grown"] = Grown,
        ["shrunk"] = Shrunk,
    };

    /// <summary>Their names, as theory data.</summary>
    public static TheoryData<string> Names => [.. Steps.Keys];

    /// <summary>Does to a fresh device what the name says.</summary>
    public static void Play(string name, EraRun run) => Steps[name](run);

    private static void ManyEras(EraRun run)
    {
        for (uint era = 1; era <= 12; era++)
        {
            run.Write(era, 100, 1000 + era, 1001 + era);
            _ = run.Status;     // gives the kernel the occasion to digest
            run.Checkpoint();
        }

        run.Write(7);
    }

    // Of so many blocks that the era array's index has inner nodes, and that digestion lags behind the eras.
    private static void Large(EraRun run)
    {
        run.Reload(LargestBlockCount);
        for (uint era = 1; era <= 6; era++)
        {
            run.Write(100, era * 40_000);
            run.Checkpoint();
        }

        run.Write(LargestBlockCount - 1);
    }

    private static void SnapshotHeld(EraRun run)
    {
        run.Write(10, 11, 1500);
        run.Checkpoint();
        run.Write(11, 20);
        run.TakeMetadataSnapshot();
        run.Write(10, 30);
        run.Checkpoint();
        run.Write(40);
    }

    private static void Grown(EraRun run)
    {
        run.Write(5, BlockCount - 1);
        run.Reload(BlockCount + 500);
        run.Write(6, BlockCount, BlockCount + 499);
        run.Reload(4 * BlockCount);
        run.Write(8, (4 * BlockCount) - 1);
    }

    private static void Shrunk(EraRun run)
    {
        run.Write(5, 900, BlockCount - 1);
        run.Checkpoint();
        run.Write(6, 901, 1500);
        run.Reload(1000);
        run.Write(7, 999);
    }
}
