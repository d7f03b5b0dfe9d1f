using DmEra.Backup.Images;
using DmEra.Backup.Restoring;
using DmEra.Cli.Offline;
using DmEra.Devices;
using DmEra.Serving;

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
        if (target.IsRegularFile)
        {
            // With its old end it would look like a disk that never was.
            target.Cut(Bytes);
            target.Flush();
        }

        return $"{path}: image {image.Number}, {Amount.Bytes(Bytes)}{Rest(target.Length)}";
    }

    /// <summary>Writes over a tracked device, so that its eras know of it.</summary>
    public string WriteTracked(string path, string metadata)
    {
        using TrackedTarget target = MetadataFile.Use(metadata, () => TrackedTarget.Open(metadata, path));
        RequireLength(path, target.Device.SizeSectors * ByteSize.Sector);
        IBlockDevice device = target.Begin();
        Write(device, TargetContent.Unknown);
        string rest = Clear(target, device);
        return $"{path}: image {image.Number}, {Amount.Bytes(Bytes)}, recorded in era {target.CurrentEra}{rest}";
    }

    /// <summary>Brings a tracked device back to the image by writing only what was written since.</summary>
    public string RollBack(string path, string metadata)
    {
        using TrackedTarget target = MetadataFile.Use(metadata, () => TrackedTarget.Open(metadata, path));
        using ByteProgress progress = new(terminal, 0, TimeProvider.System);
        RollbackReport report = Rollback.Run(repository, image, target, progress, stop);
        string rest = Clear(target, target.Begin());
        string remark = report.Remark is null ? "" : $"; {report.Remark}";
        return $"{path}: back to image {image.Number}, {Amount.Bytes(report.Bytes)} written, recorded in era {report.Era}{rest}{remark}";
    }

    // A file is as long as its eras say, and stays so; but it has no end that is not the image's.
    private string Clear(TrackedTarget target, IBlockDevice device)
    {
        long behind = device.Length - Bytes;
        if (behind <= 0 || !target.IsRegularFile) return Rest(device.Length);
        device.WriteZeroes(Bytes, behind, ZeroingMode.MayDeallocate);
        device.Flush();
        return $"; it is longer than the image, and the last {Amount.Bytes(behind)} are zeroes now";
    }

    private string Rest(long length) =>
        length <= Bytes ? "" : $"; it is longer than the image, and the last {Amount.Bytes(length - Bytes)} stay as they were";

    private void RequireLength(string path, long length)
    {
        if (length < Bytes)
            throw new CommandException($"{path}: shorter than the image ({length} bytes, not {Bytes})");
    }

    private void Write(IBlockDevice target, TargetContent before)
    {
        using ByteProgress progress = new(terminal, Bytes, TimeProvider.System);
        ImageRestore.Run(repository, image, target, before, progress, stop);
    }
}
