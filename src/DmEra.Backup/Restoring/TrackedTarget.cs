using DmEra.Backup.Sources;
using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;
using DmEra.Target.Tracking;

namespace DmEra.Backup.Restoring;

/// <summary>
/// A device at rest that an image is written to, through its eras: whatever is written is recorded as of any other
/// writer, so that the next backup takes it. Locked for as long as this is open.
/// </summary>
public sealed class TrackedTarget : ITrackedDevice
{
    private readonly EraTarget _target;
    private readonly FileBlockDevice _origin;
    private readonly EraHistory _history;
    private readonly ChronicleReading _chronicle;
    private bool _hasBegun;

    private TrackedTarget(DeviceIdentity device, EraTarget target, FileBlockDevice origin, ChronicleReading chronicle)
    {
        Device = device;
        _chronicle = chronicle;
        _target = target;
        _origin = origin;
        _history = target.OpenHistory();
    }

    /// <inheritdoc/>
    public DeviceIdentity Device { get; }

    /// <inheritdoc/>
    public uint CurrentEra => _target.Status.CurrentEra;

    /// <inheritdoc/>
    public uint Gap => _chronicle.Gap;

    /// <inheritdoc/>
    public IBlockDevice Origin => _origin;

    /// <summary>Opens the two halves of a device, and changes nothing.</summary>
    /// <exception cref="IOException">One is missing or in use.</exception>
    /// <exception cref="EraTargetException">They do not fit, or the metadata is damaged.</exception>
    public static TrackedTarget Open(string metadataPath, string originPath)
    {
        DeviceIdentity device;
        MetadataState state;
        using (StoppedDevice atRest = StoppedDevice.Open(metadataPath, originPath)) (device, state) = (atRest.Device, atRest.State);
        EraTable table = new(0, device.SizeSectors, metadataPath, originPath, device.BlockSizeSectors);
        EraTarget target = EraTarget.Create(table, new EraTargetOptions());
        try
        {
            FileBlockDevice origin = FileBlockDevice.OpenShared(originPath);
            return new TrackedTarget(device, target, origin, ChronicleReading.Of(metadataPath, state, origin.Stamp()));
        }
        catch
        {
            target.Dispose();
            throw;
        }
    }

    /// <summary>True when it is a file, false when it is a block device.</summary>
    public bool IsRegularFile => _origin.IsRegularFile;

    /// <inheritdoc/>
    public Guid? MarkOf(uint era) => _chronicle.MarkOf(era);

    /// <inheritdoc/>
    /// <remarks>As of when it was opened; nothing for an era to come.</remarks>
    public IEnumerable<BlockRange> WrittenSince(uint era) => era > _history.CurrentEra ? [] : _history.WrittenSince(era);

    /// <summary>Starts an era, the first time, and lets writes in.</summary>
    /// <exception cref="EraTargetException">The metadata failed.</exception>
    public IBlockDevice Begin()
    {
        if (!_hasBegun) _target.Resume();
        _hasBegun = true;
        return _target.Device;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _chronicle.Dispose();
        _history.Dispose();
        _origin.Dispose();
        _target.Dispose();
    }
}
