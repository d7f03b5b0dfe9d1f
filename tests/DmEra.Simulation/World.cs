using DmEra.Devices;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Scheduling;
using DmEra.Target.History;

namespace DmEra.Simulation;

/// <summary>The sizes of a simulated world: small, so that everything happens often.</summary>
internal sealed record WorldShape
{
    /// <summary>Sectors of an origin block.</summary>
    public const int SectorsPerBlock = 8;

    /// <summary>Origin blocks of the device at its longest.</summary>
    public int Blocks { get; init; } = 24;

    /// <summary>Origin blocks of the device at its shortest.</summary>
    public int FixedBlocks => Math.Max(1, Blocks / 2);

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

    /// <summary>Ways for the power to go that are imagined at each disk operation.</summary>
    public int PowerCutsPerOperation { get; init; } = 1;

    /// <summary>Length of so many blocks, in sectors.</summary>
    public long Sectors(int blocks) => (long)blocks * SectorsPerBlock;
}

/// <summary>What outlives a power cut: the two disks, and what is known of them.</summary>
internal sealed class World(WorldShape shape, Coverage coverage)
{
    public byte[] Metadata { get; private set; } = new byte[shape.MetadataBlocks * 4096];

    public byte[] Origin { get; private set; } =
        new byte[shape.Sectors(shape.Blocks) * SimulatedDisk.Sector];

    public EraModel Eras { get; } = new(shape.Blocks, shape.FixedBlocks);

    public ContentModel Content { get; } = new((int)shape.Sectors(shape.Blocks));

    public Coverage Coverage { get; } = coverage;

    /// <summary>The power comes back.</summary>
    /// <exception cref="SimulationException">Something that was acknowledged is forgotten.</exception>
    public void Restart((byte[] Metadata, byte[] Origin) disks)
    {
        (Metadata, Origin) = disks;
        if (FindLie(Metadata) is { } lie) throw new SimulationException(lie);
        if (Content.FindLoss(Origin) is { } loss) throw new SimulationException(loss);
        Content.Restart(Origin);
    }

    /// <summary>Compares metadata with what it must say.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    public string? FindLie(byte[] metadata)
    {
        if (!metadata.AsSpan(0, 4096).ContainsAnyExcept((byte)0))
            return Eras.ToldEra == 0 ? null : "the metadata is gone: it is unformatted again";
        try
        {
            using EraHistory history = EraHistory.Open(new MemoryBlockDevice(metadata));
            uint[] eras = new uint[history.NrBlocks];
            history.ReadEras(0, eras);
            return Eras.FindLie(eras);
        }
        catch (PersistentData.Blocks.MetadataException fault)
        {
            return $"unclean metadata: {fault.Message}";
        }
    }
}
