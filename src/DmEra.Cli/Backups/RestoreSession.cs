using DmEra.Backup.Images;
using DmEra.Backup.Restoring;
using DmEra.Cli.Offline;
using DmEra.Devices;

namespace DmEra.Cli.Backups;

/// <summary>Writes one image to a target of one kind or another. Every method returns a line that tells what it did.</summary>
/// <param name="repository">Where the image is.</param>
/// <param name="image">The image.</param>
/// <param name="terminal">Where progress is shown; null for nowhere.</param>
/// <param name="stop">Ends it.</param>
internal sealed class RestoreSession(
    Repository repository, ImageManifest image, TextWriter? terminal, CancellationToken stop)
{
    private long Bytes => image.Device.SizeSectors * ByteSize.Sector;

    /// <summary>Makes a file, which gets its name once it is whole.</summary>
    public string WriteNew(string path)
    {
        using NewDiskImage file = NewDiskImage.Create(path, Bytes);
        Write(file.Device, TargetContent.Zeroes);
        file.Complete();
        return $"{path}: image {image.Number}, {Amount.Bytes(Bytes)}";
    }

    /// <summary>Writes over a file or block device.</summary>
    public string WriteOver(string path)
    {
        using FileBlockDevice target = FileBlockDevice.Open(path);
        RequireLength(path, target.Length);
        Write(target, TargetContent.Unknown);
        return $"{path}: image {image.Number}, {Amount.Bytes(Bytes)}";
    }

    /// <summary>Writes over a tracked device, so that its eras know of it.</summary>
    public string WriteTracked(string path, string metadata)
    {
        using TrackedTarget target = MetadataFile.Use(metadata, () => TrackedTarget.Open(metadata, path));
        RequireLength(path, target.Device.SizeSectors * ByteSize.Sector);
        Write(target.Begin(), TargetContent.Unknown);
        return $"{path}: image {image.Number}, {Amount.Bytes(Bytes)}, recorded in era {target.CurrentEra}";
    }

    /// <summary>Brings a tracked device back to the image by writing only what was written since.</summary>
    public string RollBack(string path, string metadata)
    {
        using TrackedTarget target = MetadataFile.Use(metadata, () => TrackedTarget.Open(metadata, path));
        using ByteProgress progress = new(terminal, 0, TimeProvider.System);
        RollbackReport report = Rollback.Run(repository, image, target, progress, TimeProvider.System, stop);
        string remark = report.Remark is null ? "" : $"; {report.Remark}";
        return $"{path}: back to image {image.Number}, {Amount.Bytes(report.Bytes)} written, recorded in era {report.Era}{remark}";
    }

    private void RequireLength(string path, long length)
    {
        if (length < Bytes)
            throw new CommandException($"{path}: shorter than the image ({length} bytes, not {Bytes})");
    }

    private void Write(IBlockDevice target, TargetContent before)
    {
        using ByteProgress progress = new(terminal, Bytes, TimeProvider.System);
        ImageRestore.Run(repository, image, target, before, progress, TimeProvider.System, stop);
    }
}
