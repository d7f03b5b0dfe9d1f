using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Metadata;
using DmEra.Target.Tracking;

namespace DmEra.Backup.Sources;

/// <summary>A device that nobody uses: its origin and its metadata, both locked against writers as long as this is
/// open.</summary>
public sealed class StoppedDevice : IBackupSource
{
    private readonly FileBlockDevice _metadata;
    private readonly FileBlockDevice _origin;
    private readonly EraHistory _history;
    private readonly ChronicleReading _chronicle;
    private readonly FileStamp _originStamp;
    private readonly List<string> _remarks = [];

    private StoppedDevice(FileBlockDevice metadata, FileBlockDevice origin, EraHistory history)
    {
        _metadata = metadata;
        _origin = origin;
        _history = history;
        long tracked = (long)history.NrBlocks * history.DataBlockSize;
        long present = origin.Length / Sector.Size;
        if (history.NrBlocks == 0)
            throw new RepositoryException($"{metadata.Path}: knows of no blocks, as the device was never resumed");
        if (present <= tracked - history.DataBlockSize)
        {
            throw new RepositoryException(
                $"{origin.Path}: shorter than {metadata.Path} tells ({present} sectors, not {tracked}): not a pair?");
        }

        if (present > tracked)
            _remarks.Add($"only the first {tracked} of {present} sectors are tracked; the rest is not taken");
        _originStamp = origin.Stamp();
        State = MetadataState.Read(metadata);
        _chronicle = ChronicleReading.Of(metadata.Path, State, _originStamp);
        if (_chronicle.Remark is string remark) _remarks.Add(remark);
        Device = new DeviceIdentity(
            Path.GetFileName(origin.Path), history.Lineage, Math.Min(present, tracked), history.DataBlockSize);
    }

    /// <inheritdoc/>
    public DeviceIdentity Device { get; }

    /// <inheritdoc/>
    public uint CurrentEra => _history.CurrentEra;

    /// <summary>Where its history stands.</summary>
    public MetadataState State { get; }

    /// <inheritdoc/>
    public uint Gap => _chronicle.Gap;

    /// <inheritdoc/>
    public IBlockDevice Origin => _origin;

    /// <inheritdoc/>
    public string MetadataPath => _metadata.Path;

    /// <inheritdoc/>
    public IReadOnlyList<string> Remarks => _remarks;

    /// <summary>Opens the two halves of a device.</summary>
    /// <exception cref="IOException">One is missing, in use or damaged.</exception>
    /// <exception cref="DmEra.PersistentData.Blocks.MetadataException">The metadata is damaged.</exception>
    public static StoppedDevice Open(string metadataPath, string originPath)
    {
        FileBlockDevice metadata = FileBlockDevice.OpenReadOnly(metadataPath);
        FileBlockDevice? origin = null;
        EraHistory? history = null;
        try
        {
            origin = FileBlockDevice.OpenReadOnly(originPath);
            RequireUnmapped(metadata);
            RequireUnmapped(origin);
            history = EraHistory.Open(metadata);
            return new StoppedDevice(metadata, origin, history);
        }
        catch
        {
            history?.Dispose();
            origin?.Dispose();
            metadata.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Guid? MarkOf(uint era) => _chronicle.MarkOf(era);

    /// <inheritdoc/>
    /// <remarks>Nothing for an era to come, which begins when somebody uses the device again.</remarks>
    public IEnumerable<BlockRange> WrittenSince(uint era) => era > _history.CurrentEra ? [] : _history.WrittenSince(era);

    /// <inheritdoc/>
    public TakenPoint Take(TakePlan plan, TakePass pass)
    {
        EraMark? next = Mark();
        pass(_origin, plan.FirstPass(_origin, WrittenSince));
        // Whoever resumes the device starts a new era, even if the last one was left open by a crash.
        return new TakenPoint(CurrentEra, ImageConsistency.Stopped, TimeSpan.Zero, next);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _chronicle.Dispose();
        _history.Dispose();
        _origin.Dispose();
        _metadata.Dispose();
    }

    // The state that the device is in now, told from others that come to the same numbers.
    private EraMark? Mark()
    {
        try
        {
            using EraChronicle chronicle = new(_metadata.Path, _remarks.Add);
            return chronicle.MarkRest(State, _originStamp);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // As for a device of the kernel's: the next image is judged by samples.
            _remarks.Add($"the image has no mark, since the chronicle cannot be written: {fault.Message}");
            return null;
        }
    }

    // A lock on a file keeps our own programs out; device-mapper does not ask for it.
    private static void RequireUnmapped(FileBlockDevice device)
    {
        if (device.DeviceNumber is not (uint major, uint minor)) return;
        DirectoryInfo holders = new($"/sys/dev/block/{major}:{minor}/holders");
        if (holders.Exists && holders.EnumerateFileSystemInfos().FirstOrDefault() is { } holder)
        {
            throw new RepositoryException(
                $"{device.Path}: in use by the kernel ({holder.Name}); name the device in /dev/mapper instead");
        }
    }
}
