using DmEra.Backup.Images;
using DmEra.Backup.Sources;
using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Tests.Backup;

/// <summary>A device with eras, as simple as it can be: an array says in which era each block was last written.</summary>
internal sealed class ModelSource : IBackupSource
{
    private const int SectorSize = 512;

    private uint[] _eras;

    public ModelSource(long sizeSectors, uint blockSectors = 128, Guid? lineage = null)
    {
        Device = new DeviceIdentity("model", lineage, sizeSectors, blockSectors);
        Disk = new SparseDevice(sizeSectors * SectorSize);
        _eras = new uint[Blocks];
    }

    public DeviceIdentity Device { get; private set; }

    public uint CurrentEra { get; set; } = 1;

    public uint Gap { get; set; }

    /// <summary>The marks of its eras; those of other histories differ.</summary>
    public Dictionary<uint, Guid> Marks { get; } = [];

    public EraMark? Next => MarkOf(CurrentEra + 1) is Guid mark ? new EraMark(CurrentEra + 1, mark) : null;

    public IBlockDevice Origin => Disk;

    public SparseDevice Disk { get; }

    public IReadOnlyList<string> Remarks => [];

    public string? MetadataPath { get; set; }

    public int Blocks => (int)((Device.SizeSectors + Device.BlockSizeSectors - 1) / Device.BlockSizeSectors);

    /// <summary>Called before a pass is read, with the device still as before.</summary>
    public Action? BeforePass { get; set; }

    public int BytesOf(int block) =>
        (int)Math.Min(Device.BlockSizeSectors, Device.SizeSectors - ((long)block * Device.BlockSizeSectors)) * SectorSize;

    /// <summary>Writes a whole block.</summary>
    public void Write(int block, ReadOnlySpan<byte> content)
    {
        Disk.Write((long)block * Device.BlockSizeSectors * SectorSize, content[..BytesOf(block)]);
        _eras[block] = CurrentEra;
    }

    /// <summary>Writes a block of bytes that do not compress, other ones each time.</summary>
    public void Write(int block, Random random)
    {
        byte[] content = new byte[BytesOf(block)];
        random.NextBytes(content);
        Write(block, content);
    }

    public void Resize(long sizeSectors)
    {
        Device = Device with { SizeSectors = sizeSectors };
        long before = Disk.Length;
        if (sizeSectors * SectorSize < before) Disk.WriteZeroes(sizeSectors * SectorSize, before - (sizeSectors * SectorSize), ZeroingMode.MayDeallocate);
        Disk.Length = sizeSectors * SectorSize;
        Array.Resize(ref _eras, Blocks);
    }

    /// <summary>As if the metadata had been put back from a copy.</summary>
    public void ForgetSince(uint era)
    {
        for (int block = 0; block < _eras.Length; block++)
        {
            if (_eras[block] >= era) _eras[block] = 0;
        }
    }

    /// <summary>Says another length, and has nothing there.</summary>
    public void Pretend(long sizeSectors) => Device = Device with { SizeSectors = sizeSectors };

    public void ChangeLineage(Guid? lineage) => Device = Device with { Lineage = lineage };

    public Guid? MarkOf(uint era) => Marks.TryGetValue(era, out Guid mark) ? mark : null;

    public IEnumerable<BlockRange> WrittenSince(uint era)
    {
        for (uint block = 0; block < _eras.Length; block++)
        {
            uint begin = block;
            while (block < _eras.Length && _eras[block] >= era) block++;
            if (block > begin) yield return new BlockRange(begin, block);
        }
    }

    public TakenPoint Take(TakePlan plan, TakePass pass)
    {
        BeforePass?.Invoke();
        pass(Disk, plan.FirstPass(Disk, WrittenSince));
        return new TakenPoint(CurrentEra, ImageConsistency.Stopped, TimeSpan.Zero, Next);
    }

    public void Dispose()
    {
    }
}
