using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.EndToEnd.Kernel;

/// <summary>Our target, within this process.</summary>
internal sealed class OurEra : EraRun, IDisposable
{
    private readonly EraTarget _target;

    /// <summary>Opens and activates a device on two files.</summary>
    public OurEra(string metadata, string origin, WriteLog log, uint blockCount)
        : this(EraTarget.Create(Table(metadata, origin, blockCount), new EraTargetOptions { MarkAhead = 0 }), log, blockCount)
    {
    }

    /// <summary>Activates a device.</summary>
    public OurEra(EraTarget target, WriteLog log, uint blockCount)
        : base(log)
    {
        _target = target;
        target.Resume();
        log.BeginEra(blockCount);
    }

    /// <inheritdoc/>
    public override EraStatus Status => _target.Status;

    /// <summary>Makes a target with metadata of the test's own.</summary>
    public static EraTarget OnDevices(IBlockDevice metadata, string origin, uint blockCount) => EraTarget.Create(
        Table("metadata", origin, blockCount), metadata, FileBlockDevice.Open(origin), new EraTargetOptions { MarkAhead = 0 });

    /// <inheritdoc/>
    /// <remarks>Blocks that are new count as written: nobody knows what they held before.</remarks>
    public override void Reload(uint blockCount)
    {
        uint known = Log.BlockCount;
        base.Reload(blockCount);
        for (uint block = known; block < blockCount; block++) Log.Add(block);
    }

    /// <inheritdoc/>
    public override void Remove() => _target.Dispose();

    /// <inheritdoc/>
    public void Dispose() => _target.Dispose();

    protected override void WriteBlocks(uint[] blocks)
    {
        byte[] data = new byte[4096];
        foreach (uint block in blocks) _target.Device.Write(Sectors(block) * EraTable.SectorSize, data);
    }

    protected override void Send(string message) => _target.Message(message);

    protected override void LoadTable(uint blockCount) => _target.Resize(Sectors(blockCount));

    private static EraTable Table(string metadata, string origin, uint blockCount) =>
        new(0, Sectors(blockCount), metadata, origin, BlockSectors);
}
