using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;

namespace DmEra.Backup.Sources;

/// <summary>
/// A device of the kernel's own dm-era. While it is active, its metadata is read through a metadata snapshot; while it
/// is suspended, as it is: everything is committed then.
/// </summary>
public sealed class KernelDevice : ILiveDevice
{
    private static readonly Hook Shell = new(new Dictionary<string, string>(StringComparer.Ordinal));

    private readonly string _name;
    private readonly FileBlockDevice _metadata;
    private readonly FileBlockDevice _origin;
    private Action? _resume;

    private KernelDevice(string name, EraTable table, FileBlockDevice metadata, FileBlockDevice origin)
    {
        _name = name;
        _metadata = metadata;
        _origin = origin;
        // The kernel blanks the lineage when it resumes a device.
        Device = new DeviceIdentity(name, Lineage: null, table.LengthSectors, table.BlockSizeSectors);
    }

    /// <inheritdoc/>
    public DeviceIdentity Device { get; }

    /// <inheritdoc/>
    public string OriginPath => _origin.Path;

    /// <summary>The path of its metadata.</summary>
    public string MetadataPath => _metadata.Path;

    /// <inheritdoc/>
    public IBlockDevice Origin => _origin;

    /// <inheritdoc/>
    public uint CurrentEra
    {
        get
        {
            if (_resume is null) return ReadStatus().CurrentEra;
            using EraHistory suspended = EraHistory.Open(_metadata);
            return suspended.CurrentEra;
        }
    }

    /// <summary>Where its history stands.</summary>
    public MetadataState State => MetadataState.Read(_metadata) with { CurrentEra = CurrentEra };

    /// <inheritdoc/>
    public uint Gap
    {
        get
        {
            using ChronicleReading earlier = ReadChronicle();
            return earlier.Gap;
        }
    }

    /// <summary>Opens a device if it is one of dm-era's.</summary>
    /// <param name="path">The device, as in <c>/dev/mapper/disk</c>.</param>
    /// <returns>null when it is something else.</returns>
    /// <exception cref="IOException">It is one, and cannot be used.</exception>
    public static KernelDevice? TryOpen(string path)
    {
        if (DeviceMapper.NameOf(path) is not string name || DeviceMapper.TableOf(name) is not EraTable table) return null;
        if (DeviceMapper.IsSuspended(name)) throw new RepositoryException($"{path}: suspended; resume it first");
        FileBlockDevice? metadata = null;
        FileBlockDevice? origin = null;
        try
        {
            metadata = FileBlockDevice.OpenShared(DeviceMapper.PathOf(table.MetadataPath));
            origin = FileBlockDevice.OpenShared(DeviceMapper.PathOf(table.OriginPath));
            return new KernelDevice(name, table, metadata, origin);
        }
        catch
        {
            metadata?.Dispose();
            origin?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>The kernel's own checkpoint does not wait for writes that are under way; a suspend does.</remarks>
    public uint Checkpoint()
    {
        Action resume = Shell.PrepareUndoing(DeviceMapper.ResumeCommand(_name));
        try { DeviceMapper.Run("suspend", "--nolockfs", _name); }
        finally { resume(); }

        return CurrentEra;
    }

    /// <inheritdoc/>
    /// <remarks>A file system that is mounted on it is brought to rest.</remarks>
    public EraMark? Pause()
    {
        _resume = Shell.PrepareUndoing(DeviceMapper.ResumeCommand(_name));
        try
        {
            DeviceMapper.Run("suspend", _name);
            return null;
        }
        catch
        {
            Unpause();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Unpause()
    {
        _resume?.Invoke();
        _resume = null;
    }

    /// <inheritdoc/>
    /// <remarks>Eras of our own have marks, from before the kernel's ran; the kernel's have none.</remarks>
    public Guid? MarkOf(uint era)
    {
        using ChronicleReading earlier = ReadChronicle();
        return earlier.MarkOf(era);
    }

    /// <inheritdoc/>
    /// <remarks>Each list of an active device takes a metadata snapshot of its own, and an era with it: one that was held would
    /// know of no write since, and a list has to name all that were made before it was asked for.</remarks>
    public IEnumerable<BlockRange> WrittenSince(uint era)
    {
        if (_resume is not null)
        {
            using EraHistory suspended = EraHistory.Open(_metadata);
            foreach (BlockRange range in suspended.WrittenSince(era)) yield return range;
            yield break;
        }

        if (ReadStatus().MetadataSnapshot != 0)
        {
            throw new RepositoryException($"{_name}: somebody holds its metadata snapshot; if nobody needs it any more: "
                + $"dmsetup message {_name} 0 drop_metadata_snap");
        }

        DeviceMapper.Run("message", _name, "0", "take_metadata_snap");
        Action drop = Shell.PrepareUndoing(DeviceMapper.DropSnapshotCommand(_name));
        try
        {
            using EraHistory active = EraHistory.OpenSnapshot(_metadata)
                ?? throw new RepositoryException($"{_name}: somebody else has dropped the metadata snapshot; try again");
            foreach (BlockRange range in active.WrittenSince(era)) yield return range;
        }
        finally
        {
            drop();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _origin.Dispose();
        _metadata.Dispose();
    }

    private ChronicleReading ReadChronicle() => ChronicleReading.Of(_metadata.Path, State);

    private EraStatus ReadStatus() =>
        DeviceMapper.StatusOf(_name) is { IsFailed: false } status
            ? status
            : throw new RepositoryException($"{_name}: its metadata has failed; see the kernel's log");
}
