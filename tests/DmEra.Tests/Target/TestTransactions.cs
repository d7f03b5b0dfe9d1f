using DmEra.Devices.Threads;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target;

/// <summary>The transactions of a target without its worker: the test is the thread that owns the metadata, and
/// decides when digestion takes a step.</summary>
internal sealed class TestTransactions
{
    private readonly EraMetadata _metadata;

    /// <summary>Opens, or formats, a metadata device.</summary>
    public TestTransactions(ProbeDevice device, int cacheBlocks = 64)
    {
        Device = device;
        _metadata = EraMetadata.OpenOrFormat(device, cacheBlocks, TestEra.BlockSectors, Guid.Empty);
        Eras = new EraTransactions(_metadata, SystemThreads.Instance, new MarkAhead(0), Logged.Add);
    }

    public ProbeDevice Device { get; }

    public EraTransactions Eras { get; }

    public List<string> Logged { get; } = [];

    /// <summary>Metadata blocks that can be allocated.</summary>
    public ulong FreeBlocks => _metadata.FreeBlocks;

    /// <summary>Keeps what is committed now from being used anew, as a reader does.</summary>
    public void Pin() => _metadata.Pin(out _);

    /// <summary>Marks these ranges with one commit; what it fails with comes out here.</summary>
    public void Mark(params BlockRange[] ranges)
    {
        MarkGroup group = new(SystemThreads.Instance);
        foreach (BlockRange range in ranges) group.Add(range);
        Eras.Mark(group);
        group.Wait();
    }

    public void Mark(params uint[] blocks) => Mark([.. blocks.Select(block => new BlockRange(block, block + 1))]);

    public void DigestAll()
    {
        while (Eras.HasDigestion) Eras.DigestStep();
    }

    /// <summary>The metadata as it is on the device now.</summary>
    public EraAudit Audit() => EraAudit.Read(Device.ToArray());
}
