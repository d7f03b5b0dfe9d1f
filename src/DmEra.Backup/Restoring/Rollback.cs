using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Sources;
using DmEra.Backup.Stores;
using DmEra.Devices;

namespace DmEra.Backup.Restoring;

/// <summary>What a rollback wrote.</summary>
/// <param name="Bytes">Bytes.</param>
/// <param name="Era">The era in which they are recorded.</param>
/// <param name="Remark">What could not be checked, for people; null when nothing.</param>
public sealed record RollbackReport(long Bytes, uint Era, string? Remark);

/// <summary>
/// Brings a device back to an image that was taken of it, by writing only what was written since. Interrupted, it can be
/// run again: what it wrote counts as written since, like everything else.
/// </summary>
public static class Rollback
{
    private const string Remedy = "restore the image as a whole (without --only-changed)";

    /// <summary>Rolls back.</summary>
    /// <param name="repository">Where the image is.</param>
    /// <param name="image">The image.</param>
    /// <param name="target">The device.</param>
    /// <param name="progress">Told how many bytes are written.</param>
    /// <param name="stop">Ends it in the middle.</param>
    /// <exception cref="RepositoryException">The image was not taken of this device, or its eras do not tell what was
    /// written since: nothing was changed. Or the image is damaged, or the store failed.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static RollbackReport Run(
        Repository repository,
        ImageManifest image,
        TrackedTarget target,
        IProgress<long>? progress,
        CancellationToken stop)
    {
        using RepositoryLock? reading = RepositoryLock.TryTakeForReading(repository, "era restore-image");
        string? remark = new ChainCheck(repository, image, target, Remedy).Require();
        if (target.Device.SizeSectors < image.Device.SizeSectors)
        {
            throw new RepositoryException($"{target.Device.Name}: shorter than image {image.Number} "
                + $"({target.Device.SizeSectors} sectors, not {image.Device.SizeSectors}); resize it first");
        }

        List<SectorRange> ranges = [.. target.WrittenSince(image.LastEra + 1)
            .ToSectors(target.Device.BlockSizeSectors, image.Device.SizeSectors)];
        IBlockDevice device = target.Begin();
        ImageRestore.RunLocked(repository, image, device, TargetContent.Unknown, ranges, progress, stop);
        long sectors = ranges.Sum(range => range.End - range.First);
        return new RollbackReport(sectors * RecordRow.SectorSize, target.CurrentEra, remark);
    }
}
