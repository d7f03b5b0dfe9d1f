using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Devices;
using DmEra.Devices.Processes;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Backup.Sources;

/// <summary>
/// Takes an image of one moment of a device in use: from a snapshot or clone of the origin, made while writes are held up.
/// Without either, as virtual machines are moved: everything is read while the device goes on, then what was written
/// meanwhile, then what was written during that; and when little is left, writes are held up for the rest. That is
/// read into memory first, so that they wait for a disk and never for the repository.
/// </summary>
public sealed class LiveSource : IBackupSource
{
    private const long MaxHeldBytes = 16 << 20;
    private const int MaxPasses = 20;

    private readonly ILiveDevice _device;
    private readonly LiveHooks _hooks;
    private readonly Hook _hook;
    private readonly TimeProvider _time;

    /// <summary>Prepares.</summary>
    /// <param name="device">The device; disposed of with this.</param>
    /// <param name="hooks">Commands to run around the moment.</param>
    /// <param name="time">Tells how long writes were held up.</param>
    public LiveSource(ILiveDevice device, LiveHooks hooks, TimeProvider time)
    {
        _device = device;
        _hooks = hooks;
        _time = time;
        _hook = new Hook(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["ERA_DEVICE"] = device.Device.Name,
            ["ERA_ORIGIN"] = device.OriginPath,
        });
    }

    /// <inheritdoc/>
    public DeviceIdentity Device => _device.Device;

    /// <inheritdoc/>
    public uint CurrentEra => _device.CurrentEra;

    /// <inheritdoc/>
    public uint Gap => _device.Gap;

    /// <inheritdoc/>
    public IBlockDevice Origin => _device.Origin;

    /// <inheritdoc/>
    public string? MetadataPath => _device.MetadataPath;

    /// <inheritdoc/>
    public IReadOnlyList<string> Remarks => [];

    /// <inheritdoc/>
    public Guid? MarkOf(uint era) => _device.MarkOf(era);

    /// <inheritdoc/>
    public IEnumerable<BlockRange> WrittenSince(uint era) => _device.WrittenSince(era);

    /// <inheritdoc/>
    public TakenPoint Take(TakePlan plan, TakePass pass) =>
        _hooks.Snapshot is not null ? TakeSnapshot(_hooks.Snapshot, plan, pass)
        : CanClone() ? TakeClone(plan, pass)
        : TakeInPasses(plan, pass);

    /// <inheritdoc/>
    public void Dispose() => _device.Dispose();

    private TakenPoint TakeSnapshot(string command, TakePlan plan, TakePass pass)
    {
        // Told even when the command fails: perhaps there is half a snapshot.
        Action? release = _hooks.Release is null ? null : _hook.PrepareUndoing(_hooks.Release);
        try
        {
            string? path = null;
            // Once before, so that little is left to be flushed while writes wait.
            Origin.Flush();
            Moment moment = AtOneMoment(() =>
            {
                // A snapshot may be made below caches, where writes have not come yet that no later era records.
                Origin.Flush();
                path = _hook.Run(command, _hooks.Stop);
            });
            if (path is null) throw new RepositoryException($"'{command}' did not print the path of the snapshot that it made");
            using FileBlockDevice snapshot = FileBlockDevice.OpenShared(path);
            if (snapshot.Length < Device.SizeSectors * RecordRow.SectorSize)
                throw new RepositoryException($"{path}: shorter than the device it should be a snapshot of");
            pass(snapshot, plan.FirstPass(snapshot, WrittenSince));
            return moment.Point(ImageConsistency.Snapshot);
        }
        finally
        {
            release?.Invoke();
        }
    }

    // Tried before writes are held up for it; what the page cache has of the origin is on disk then.
    private bool CanClone()
    {
        using FileBlockDevice? trial = TryClone();
        return trial is not null;
    }

    private TakenPoint TakeClone(TakePlan plan, TakePass pass)
    {
        FileBlockDevice? clone = null;
        try
        {
            Moment moment = AtOneMoment(() => clone = TryClone()
                ?? throw new RepositoryException($"{_device.OriginPath}: cannot be cloned; is its file system full?"));
            pass(clone!, plan.FirstPass(clone!, WrittenSince));
            return moment.Point(ImageConsistency.Snapshot);
        }
        finally
        {
            clone?.Dispose();
        }
    }

    private FileBlockDevice? TryClone() => (Origin as FileBlockDevice)?.TryClone();

    private TakenPoint TakeInPasses(TakePlan plan, TakePass pass)
    {
        uint era = _device.Checkpoint().Era;
        pass(Origin, plan.FirstPass(Origin, WrittenSince));
        for (int passes = 1; passes < MaxPasses && BytesOf(plan.SectorsOf(WrittenSince(era))) > MaxHeldBytes; passes++)
        {
            uint next = _device.Checkpoint().Era;
            pass(Origin, plan.SectorsOf(WrittenSince(era)));
            era = next;
        }

        HeldBlocks? rest = null;
        List<SectorRange> ranges = [];
        Moment moment = AtOneMoment(() =>
        {
            ranges = [.. plan.SectorsOf(WrittenSince(era))];
            long bytes = BytesOf(ranges);
            if (bytes > MaxHeldBytes)
            {
                throw new RepositoryException($"{Device.Name}: is written to as fast as it is read ({bytes >> 20} MiB since the "
                    + "last pass); give a --snapshot-cmd, or try again when less is going on");
            }

            rest = new HeldBlocks(Origin, ranges);
        });
        pass(rest!, ranges);
        return moment.Point(ImageConsistency.Paused);
    }

    private Moment AtOneMoment(Action action)
    {
        Action? thaw = _hooks.Thaw is null ? null : _hook.PrepareUndoing(_hooks.Thaw);
        try
        {
            if (_hooks.Freeze is not null) _hook.Run(_hooks.Freeze, _hooks.Stop);
            long start = _time.GetTimestamp();
            (uint era, EraMark? next) = WhileSuspended(action);
            return new Moment(era, next, _time.GetElapsedTime(start), _hooks.Freeze is not null);
        }
        finally
        {
            thaw?.Invoke();
        }
    }

    private (uint Era, EraMark? Next) WhileSuspended(Action action)
    {
        EraMark? next = _device.Pause();
        try
        {
            uint era = _device.CurrentEra;
            action();
            // Resuming begins an era.
            return era == _device.CurrentEra ? (era, next) : throw new RepositoryException(
                $"{Device.Name}: was resumed by somebody else before the image was taken; try again");
        }
        finally
        {
            _device.Unpause();
        }
    }

    private static long BytesOf(IEnumerable<SectorRange> ranges) =>
        ranges.Sum(range => range.End - range.First) * RecordRow.SectorSize;

    private sealed record Moment(uint LastEra, EraMark? Next, TimeSpan Pause, bool IsFrozen)
    {
        public TakenPoint Point(ImageConsistency consistency) =>
            new(LastEra, IsFrozen ? ImageConsistency.Frozen : consistency, Pause, Next);
    }
}
