using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Scheduling;
using DmEra.Target.History;
using DmEra.Tools.Check;

namespace DmEra.Simulation;

/// <summary>The sizes of a simulated world: small, so that everything happens often.</summary>
internal sealed record WorldShape
{
    /// <summary>Sectors of an origin block.</summary>
    public const int SectorsPerBlock = 8;

    /// <summary>Origin blocks of the device at its longest.</summary>
    public int Blocks { get; init; } = 24;

    /// <summary>Origin blocks of the device at its shortest.</summary>
    public int FewestBlocks => Math.Max(1, Blocks / 2);

    /// <summary>Metadata blocks at first.</summary>
    public int MetadataBlocks { get; init; } = 64;

    /// <summary>The metadata can be extended, like a file.</summary>
    public bool MetadataCanGrow { get; init; }

    /// <summary>Metadata blocks that the target keeps in memory.</summary>
    public int CacheBlocks { get; init; } = 64;

    /// <summary>Disk operations until the power goes, on average.</summary>
    public int OperationsPerLife { get; init; } = 400;

    /// <summary>What a client asks for before it is content.</summary>
    public int RequestsPerClient { get; init; } = 40;

    /// <summary>Length of so many blocks, in sectors.</summary>
    public long Sectors(int blocks) => (long)blocks * SectorsPerBlock;
}

/// <summary>What outlives a crash: the two disks, and what is known of them.</summary>
internal sealed class World(WorldShape shape, Coverage coverage)
{
    public DiskContent Metadata { get; private set; } = new(new byte[shape.MetadataBlocks * BlockManager.BlockSize]);

    public DiskContent Origin { get; private set; } = new(new byte[shape.Sectors(shape.Blocks) * DiskContent.Sector]);

    public WorldShape Shape { get; } = shape;

    public EraModel Eras { get; } = new(shape.Blocks);

    public ContentModel Content { get; } = new((int)shape.Sectors(shape.Blocks));

    public Coverage Coverage { get; } = coverage;

    /// <summary>The power comes back, and the disks hold this.</summary>
    /// <exception cref="SimulationException">Something that was acknowledged is forgotten.</exception>
    public void Restart(byte[] metadata, byte[] origin)
    {
        (Metadata, Origin) = (new DiskContent(metadata), new DiskContent(origin));
        if (FindLie(new MemoryBlockDevice(metadata)) is { } lie) throw new SimulationException(lie);
        if (FindFault(new MemoryBlockDevice(metadata)) is { } fault) throw new SimulationException(fault);
        if (Content.FindLoss(origin) is { } loss) throw new SimulationException(loss);
        Content.Restart(origin);
    }

    /// <summary>Compares metadata with what it must say.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    public string? FindLie(IBlockDevice metadata)
    {
        if (IsUnformatted(metadata)) return Eras.ToldEra == 0 ? null : "the metadata is gone: it is unformatted again";
        try
        {
            using EraHistory history = EraHistory.Open(metadata);
            uint[] eras = new uint[history.NrBlocks];
            history.ReadEras(0, eras);
            return Eras.FindLie(eras);
        }
        catch (MetadataException fault)
        {
            return $"unclean metadata: {fault.Message}";
        }
    }

    /// <summary>Has era check look at every block in use and every reference count.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    public static string? FindFault(IBlockDevice metadata)
    {
        if (IsUnformatted(metadata)) return null;
        CheckReport report = MetadataChecker.Check(metadata);
        return report.Faults.Count == 0 ? null : $"unclean metadata: {report.Faults[0]}";
    }

    private static bool IsUnformatted(IBlockDevice metadata)
    {
        Span<byte> superblock = stackalloc byte[BlockManager.BlockSize];
        metadata.Read(0, superblock);
        return !superblock.ContainsAnyExcept((byte)0);
    }
}
