using DmEra.Devices;
using DmEra.Devices.Processes;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Labels;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;
using DmEra.Target.Tracking;

namespace DmEra.Kernel;

/// <summary>
/// A device of the kernel's own dm-era. While it is active, its metadata is read through a metadata snapshot; while it
/// is suspended, as it is: everything is committed then.
/// </summary>
public sealed class KernelDevice : ILiveDevice
{
    private static readonly Hook Shell = new(new Dictionary<string, string>(StringComparer.Ordinal));

    private readonly string _path;
    private readonly string _name;
    private readonly EraTable _table;
    private readonly Action<string> _remark;
    private readonly FileBlockDevice _metadata;
    private readonly FileBlockDevice _origin;
    private Action? _resume;

    private KernelDevice(string path, string name, EraTable table, FileBlockDevice metadata, FileBlockDevice origin, Action<string> remark)
    {
        _path = path;
        _name = name;
        _table = table;
        _remark = remark;
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
    public string MessageCommand => DeviceMapper.MessageCommand(_name);

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

    /// <inheritdoc/>
    public uint Gap
    {
        get
        {
            using ChronicleReading earlier = ReadChronicle();
            return earlier.Gap;
        }
    }

    private MetadataState State => MetadataState.Read(_metadata) with { CurrentEra = CurrentEra };

    /// <summary>Opens a device if it is one of dm-era's.</summary>
    /// <param name="path">The device, as in <c>/dev/mapper/disk</c>.</param>
    /// <param name="remark">Is told, as a line, what about an era was taken on trust.</param>
    /// <returns>null when it is something else.</returns>
    /// <exception cref="IOException">It is one, and cannot be used.</exception>
    public static KernelDevice? TryOpen(string path, Action<string> remark)
    {
        if (DeviceMapper.NameOf(path) is not string name || DeviceMapper.TableOf(name) is not EraTable table) return null;
        FileBlockDevice? metadata = null;
        FileBlockDevice? origin = null;
        try
        {
            metadata = FileBlockDevice.OpenShared(DeviceMapper.PathOf(table.MetadataPath));
            origin = FileBlockDevice.OpenShared(DeviceMapper.PathOf(table.OriginPath));
            return new KernelDevice(path, name, table, metadata, origin, remark);
        }
        catch
        {
            metadata?.Dispose();
            origin?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>A suspended one can tell nothing but its table.</remarks>
    public DeviceDescription Describe()
    {
        EraStatus status = ReadStatus();
        using ChronicleReading earlier = ReadChronicle();
        return new DeviceDescription
        {
            Name = _name,
            State = "active",
            Status = status.ToString(),
            Table = _table.ToString(),
            CurrentEra = status.CurrentEra,
            Gap = earlier.Gap == 0 ? null : earlier.Gap,
            Size = _table.LengthBytes,
            BlockSize = _table.BlockSizeBytes,
            Origin = OriginPath,
            OriginIdentity = _origin.Identity,
            Metadata = MetadataPath,
            MetadataBlocksUsed = status.UsedMetadataBlocks,
            MetadataBlocks = status.TotalMetadataBlocks,
            MetadataSnapshot = status.MetadataSnapshot == 0 ? null : status.MetadataSnapshot,
            Endpoints = [],
            Connections = 0,
        };
    }

    /// <inheritdoc/>
    public void RequireActive()
    {
        if (DeviceMapper.IsSuspended(_name)) throw new DeviceMapperException($"{_path}: suspended; resume it first");
    }

    /// <inheritdoc/>
    public uint FindEra(string name) => EraNames.Find(name, MetadataPath, State, _remark);

    /// <inheritdoc/>
    public void WriteChanges(string since, ChangeListFormat format, Stream output)
    {
        // In this order: whether the history has that moment is asked of one that is not older than the list.
        using HeldHistory held = OpenHistory();
        uint era = FindEra(since);
        held.History.RequireBegun(era);
        ChangeList.Write(output, held.History, era, format);
    }

    /// <inheritdoc/>
    /// <remarks>The kernel's own checkpoint does not wait for writes that are under way; a suspend does. Its eras have no
    /// marks.</remarks>
    public EraBeginning Checkpoint()
    {
        RequireActive();
        Action resume = Shell.PrepareUndoing(DeviceMapper.ResumeCommand(_name));
        try { DeviceMapper.Run("suspend", "--nolockfs", _name); }
        finally { resume(); }

        return new EraBeginning(CurrentEra, Mark: null);
    }

    /// <inheritdoc/>
    /// <remarks>A file system that is mounted on it is brought to rest.</remarks>
    public EraMark? Pause()
    {
        RequireActive();
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
    public IEnumerable<BlockRange> WrittenSince(uint era)
    {
        using HeldHistory held = OpenHistory();
        foreach (BlockRange range in held.History.WrittenSince(era)) yield return range;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _origin.Dispose();
        _metadata.Dispose();
    }

    // Each list of an active device takes a metadata snapshot of its own, and an era with it: one that was held would know of no
    // write since, and a list has to name all that were made before it was asked for.
    private HeldHistory OpenHistory()
    {
        if (_resume is not null) return new HeldHistory(EraHistory.Open(_metadata), drop: null);
        if (ReadStatus().MetadataSnapshot != 0)
        {
            throw new DeviceMapperException($"{_name}: somebody holds its metadata snapshot; if nobody needs it any more: "
                + $"dmsetup message {_name} 0 drop_metadata_snap");
        }

        DeviceMapper.Run("message", _name, "0", "take_metadata_snap");
        Action drop = Shell.PrepareUndoing(DeviceMapper.DropSnapshotCommand(_name));
        try
        {
            EraHistory active = EraHistory.OpenSnapshot(_metadata)
                ?? throw new DeviceMapperException($"{_name}: somebody else has dropped the metadata snapshot; try again");
            return new HeldHistory(active, drop);
        }
        catch
        {
            drop();
            throw;
        }
    }

    private ChronicleReading ReadChronicle() => ChronicleReading.Of(_metadata.Path, State);

    private EraStatus ReadStatus()
    {
        RequireActive();    // else it would never answer
        return DeviceMapper.StatusOf(_name) is { IsFailed: false } status
            ? status
            : throw new DeviceMapperException($"{_name}: its metadata has failed; see the kernel's log");
    }

    /// <summary>A history, and the metadata snapshot that it is read from, if it is from one.</summary>
    private sealed class HeldHistory(EraHistory history, Action? drop) : IDisposable
    {
        public EraHistory History => history;

        public void Dispose()
        {
            history.Dispose();
            drop?.Invoke();
        }
    }
}
