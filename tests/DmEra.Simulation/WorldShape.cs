using DmEra.Simulation.Devices;

namespace DmEra.Simulation;

/// <summary>The sizes of a simulated world: small, so that everything happens often.</summary>
internal sealed record WorldShape
{
    /// <summary>Sectors of an origin block.</summary>
    public const int SectorsPerBlock = 8;

    /// <summary>Bytes of an origin block.</summary>
    public const int BlockBytes = SectorsPerBlock * DiskContent.Sector;

    /// <summary>Sectors of the device at its longest; the last block may be a part of one.</summary>
    public int Sectors { get; init; } = 24 * SectorsPerBlock;

    /// <summary>Sectors of the device at its shortest.</summary>
    public int FewestSectors => Math.Max(1, Sectors / 2);

    /// <summary>Metadata blocks at first.</summary>
    public int MetadataBlocks { get; init; } = 64;

    /// <summary>The metadata can be extended, like a file.</summary>
    public bool MetadataCanGrow { get; init; }

    /// <summary>The metadata is a sparse file on a file system with little space.</summary>
    public bool MetadataIsSparse { get; init; }

    /// <summary>Metadata blocks that the target keeps in memory.</summary>
    public int CacheBlocks { get; init; } = 64;

    /// <summary>The most blocks marked ahead of a sequential writer. Where there are any, the first client is one.</summary>
    public int MarkAhead { get; init; }

    /// <summary>The origin is on another machine, which serves it over NBD.</summary>
    public bool HasRemoteOrigin { get; init; }

    /// <summary>Disk operations until the power goes, on average.</summary>
    public int OperationsPerLife { get; init; } = 400;

    /// <summary>What a client asks for before it is content.</summary>
    public int RequestsPerClient { get; init; } = 40;

    /// <summary>Operators at once.</summary>
    public int Operators { get; init; } = 2;

    /// <summary>Observers at once.</summary>
    public int Observers { get; init; } = 2;

    /// <summary>Eras get marks, and disks may be put back to how they were.</summary>
    public bool HasChronicle { get; init; }

    /// <summary>Blocks of a device of so many sectors.</summary>
    public static int BlocksIn(long sectors) => (int)((sectors + SectorsPerBlock - 1) / SectorsPerBlock);
}
