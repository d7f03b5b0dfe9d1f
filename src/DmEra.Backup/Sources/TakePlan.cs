using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Backup.Sources;

/// <summary>What has to be read of a device for an image.</summary>
/// <param name="device">The device.</param>
/// <param name="parent">The image that the new one is taken on top of; null to read the whole device.</param>
public sealed class TakePlan(DeviceIdentity device, ImageManifest? parent)
{
    /// <summary>The image that the new one is taken on top of; null to read the whole device.</summary>
    public ImageManifest? Parent => parent;

    /// <summary>Writes from this era on are not in the parent.</summary>
    public uint Since => parent is null ? 0 : parent.LastEra + 1;

    /// <summary>What the image must have that its parent has not; of a full one everything but holes.</summary>
    /// <param name="origin">The device, to look for holes.</param>
    /// <param name="writtenSince">The blocks that were written in an era or later.</param>
    public IEnumerable<SectorRange> FirstPass(IBlockDevice origin, Func<uint, IEnumerable<BlockRange>> writtenSince)
    {
        if (parent is null) return DataIn(origin);
        // What the device has grown by was perhaps never written under our eyes, and yet holds something.
        long oldSize = Math.Min(parent.Device.SizeSectors, device.SizeSectors);
        return writtenSince(Since).ToSectors(device.BlockSizeSectors, oldSize).Concat(
            oldSize < device.SizeSectors ? [new SectorRange(oldSize, device.SizeSectors)] : []);
    }

    /// <summary>The sectors of blocks.</summary>
    public IEnumerable<SectorRange> SectorsOf(IEnumerable<BlockRange> blocks) =>
        blocks.ToSectors(device.BlockSizeSectors, device.SizeSectors);

    private IEnumerable<SectorRange> DataIn(IBlockDevice origin)
    {
        if (origin is not FileBlockDevice file) return [new SectorRange(0, device.SizeSectors)];
        return Runs(file);
    }

    private IEnumerable<SectorRange> Runs(FileBlockDevice file)
    {
        long end = device.SizeSectors * RecordRow.SectorSize;
        for (long offset = 0; offset < end;)
        {
            long runEnd = Math.Min(file.EndOfRun(offset, out bool isHole), end);
            if (!isHole) yield return new SectorRange(offset / RecordRow.SectorSize, runEnd / RecordRow.SectorSize);
            offset = runEnd;
        }
    }
}
