using DmEra.Target.Mapping;

namespace DmEra.Tests.Target;

/// <summary>An era target on devices in memory. Whatever a test did to it, era_check must find nothing wrong with the
/// metadata in the end.</summary>
internal sealed class TestEra : IDisposable
{
    public const int BlockSectors = 8;
    public const int BlockBytes = BlockSectors * EraTable.SectorSize;
    private const int MetadataBlockBytes = 4096;

    /// <summary>Makes a device of this many origin blocks of 4 KiB; it is not resumed yet.</summary>
    public TestEra(int blocks = 1024, int metadataBlocks = 256)
        : this(blocks, new ProbeDevice(metadataBlocks * MetadataBlockBytes), new ProbeDevice(blocks * BlockBytes))
    {
    }

    public TestEra(int blocks, ProbeDevice metadata, ProbeDevice origin, uint? markAhead = 0)
    {
        Metadata = metadata;
        Origin = origin;
        EraTable table = new(0, (long)blocks * BlockSectors, "meta", "origin", BlockSectors);
        EraTargetOptions options = new() { CacheBlocks = 64, MarkAhead = markAhead, Log = Logged.Add, Threads = Threads };
        Target = EraTarget.Create(table, metadata, origin, options);
    }

    public ProbeDevice Metadata { get; }

    public ProbeDevice Origin { get; }

    public EraTarget Target { get; }

    /// <summary>The metadata was broken on purpose.</summary>
    public bool IsDamaged { get; init; }

    /// <summary>The threads of the target; its worker is one of those that wait when all is quiet.</summary>
    public WatchedThreads Threads { get; } = new();

    public List<string> Logged { get; } = [];

    /// <summary>A resumed device.</summary>
    public static TestEra Active(int blocks = 1024, int metadataBlocks = 256)
    {
        TestEra era = new(blocks, metadataBlocks);
        era.Target.Resume();
        return era;
    }

    /// <summary>Writes one sector in the middle of each of these blocks.</summary>
    public void Write(params int[] blocks)
    {
        foreach (int block in blocks) Target.Device.Write((block * (long)BlockBytes) + 1024, new byte[512]);
    }

    /// <summary>The metadata as it is on the device now.</summary>
    public EraAudit Audit() => EraAudit.Read(Metadata.ToArray());

    /// <summary>The blocks that were written in this era or later, as far as the disk knows.</summary>
    public int[] WrittenSince(uint era)
    {
        uint[] eras = Audit().LastWritten();
        return [.. Enumerable.Range(0, eras.Length).Where(block => eras[block] >= era)];
    }

    public void Dispose()
    {
        Target.Dispose();
        if (!IsDamaged) Oracle.EraCheck(Metadata.ToArray());
    }
}
