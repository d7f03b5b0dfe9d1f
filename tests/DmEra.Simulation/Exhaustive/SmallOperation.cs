
namespace DmEra.Simulation.Exhaustive;

/// <summary>Something that can happen in a small world.</summary>
/// <param name="Name">In a word or two.</param>
/// <param name="Do">Does it.</param>
internal sealed record SmallOperation(string Name, Action<SmallLife> Do)
{
    private const int Block = WorldShape.SectorsPerBlock;

    /// <summary>Everything that can happen, on a device of three blocks, of which the last is a part.</summary>
    public static readonly SmallOperation[] All =
    [
        new("write 0", life => life.Write(firstSector: 3, sectors: 1)),
        new("write 1", life => life.Write(Block + 3, 1)),
        new("write 2", life => life.Write((2 * Block) + 3, 1)),
        new("write 0-1", life => life.Write(Block - 1, 2)),
        new("zero 1-2", life => life.Zero(Block + 1, Block)),
        new("discard all", life => life.Trim(0, (3 * Block) - 3)),
        new("flush", life => life.Flush()),
        new("checkpoint", life => life.Checkpoint()),
        new("take snapshot", life => life.TakeSnapshot()),
        new("drop snapshot", life => life.Target.DropMetadataSnapshot()),
        new("suspend and resume", life => life.Reopen()),
        new("shrink to 2 blocks", life => life.Resize(2 * Block)),
        new("shrink within a block", life => life.Resize((2 * Block) + 1)),
        new("grow to all", life => life.Resize((3 * Block) - 3)),
        new("flush of the origin fails", life => life.OriginFaults.FailFlushAfter(0)),
        new("flush of the metadata fails", life => life.MetadataFaults.FailFlushAfter(0)),
        new("flush of a superblock fails", life => life.MetadataFaults.FailFlushAfter(1)),
        new("kill", life => life.End(Ending.Killed)),
        new("power cut, nothing kept", life => life.End(Ending.LostAll)),
        new("power cut, all kept", life => life.End(Ending.KeptAll)),
    ];

    /// <summary>Finds one by its name.</summary>
    public static SmallOperation Named(string name) => All.Single(operation => operation.Name == name);
}

/// <summary>How a life ends.</summary>
internal enum Ending
{
    /// <summary>In good order.</summary>
    Stopped,

    /// <summary>The program dies, the power stays on.</summary>
    Killed,

    /// <summary>The power goes, and no write since the last flush is kept.</summary>
    LostAll,

    /// <summary>The power goes, and every write is kept.</summary>
    KeptAll,
}
