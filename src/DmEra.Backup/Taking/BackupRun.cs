using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Sources;
using DmEra.Backup.Stores;
using DmEra.Target.Tracking;

namespace DmEra.Backup.Taking;

/// <summary>What an image should be.</summary>
public enum BackupKind
{
    /// <summary>On top of the newest image; full when there is none.</summary>
    Incremental,

    /// <summary>Of the whole device, whatever there is.</summary>
    Full,
}

/// <summary>What is going to be read.</summary>
/// <param name="Parent">The image that it is taken on top of; null for a full one.</param>
/// <param name="Bytes">Bytes to read.</param>
/// <param name="Seconds">How long that may take, going by the newest image; null when there is none to go by.</param>
/// <param name="Remarks">What should be known, for people.</param>
public sealed record BackupEstimate(ImageManifest? Parent, long Bytes, double? Seconds, IReadOnlyList<string> Remarks);

/// <summary>An image that was taken.</summary>
/// <param name="Image">The image.</param>
/// <param name="WasContinued">True when it used what an interrupted backup had left.</param>
/// <param name="Remarks">What should be known, for people.</param>
public sealed record BackupReport(ImageManifest Image, bool WasContinued, IReadOnlyList<string> Remarks);

/// <summary>Takes an image of a device into a repository.</summary>
public sealed class BackupRun
{
    private const string Remedy = "take a full image (--full), or use another repository";
    private const int WitnessBlocks = 64;
    private const uint WitnessEras = 8;     // so many are tried, from the newest on

    private readonly Repository _repository;
    private readonly IBackupSource _source;
    private readonly TimeProvider _time;
    private readonly List<string> _remarks;

    private BackupRun(Repository repository, IBackupSource source)
    {
        _repository = repository;
        _source = source;
        _time = repository.Threads.Time;
        _remarks = [.. source.Remarks];
    }

    /// <summary>Tells what <see cref="Take"/> would read, and changes nothing.</summary>
    /// <exception cref="RepositoryException">The device does not fit the repository, or the store failed.</exception>
    public static BackupEstimate Estimate(Repository? repository, IBackupSource source, BackupKind kind)
    {
        List<string> remarks = [.. source.Remarks];
        ImageManifest? parent = repository is null ? null : FindParent(repository, source, kind, remarks);
        TakePlan plan = new(source.Device, parent);
        long sectors = plan.FirstPass(source.Origin, source.WrittenSince).Sum(range => range.End - range.First);
        long bytes = sectors * RecordRow.SectorSize;
        return new BackupEstimate(parent, bytes, SecondsFor(bytes, repository), remarks);
    }

    /// <summary>Takes an image.</summary>
    /// <param name="repository">Where it goes.</param>
    /// <param name="source">The device.</param>
    /// <param name="kind">What it should be.</param>
    /// <param name="label">What to call it; null for nothing.</param>
    /// <param name="progress">Told how many bytes were read.</param>
    /// <param name="stop">Ends it; what was stored by then is used by the next one.</param>
    /// <exception cref="RepositoryException">The device does not fit the repository, somebody else writes to it, or the
    /// store failed: no image has been made, and those before are as they were.</exception>
    /// <exception cref="IOException">The device cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static BackupReport Take(
        Repository repository,
        IBackupSource source,
        BackupKind kind,
        string? label,
        IProgress<long>? progress,
        CancellationToken stop)
    {
        using RepositoryLock append = RepositoryLock.Take(repository.Store, LockKind.Append, "era backup", repository.Threads);
        return new BackupRun(repository, source).Run(kind, label, append, progress, stop);
    }

    private BackupReport Run(
        BackupKind kind, string? label, RepositoryLock append, IProgress<long>? progress, CancellationToken stop)
    {
        DateTimeOffset begun = _time.GetUtcNow();
        long start = _time.GetTimestamp();
        IReadOnlyList<uint> numbers = _repository.ImageNumbers();
        BackupMemory? memory = _source.MetadataPath is string path ? BackupMemory.Read(path, _remarks.Add) : null;
        RequireNotOlder(memory, numbers);
        ImageManifest? parent = FindParent(_repository, _source, kind, _remarks);
        uint number = numbers is [.., uint newest] ? newest + 1 : 1;
        using ImageBackup backup = new(_repository, number, parent, _source.Device.SizeSectors, progress, stop);
        TakenPoint point = _source.Take(new TakePlan(_source.Device, parent), backup.Take);
        // Read from caches, perhaps. Were it lost to a power failure, the device would differ from the image, and no era would know.
        _source.Origin.Flush();
        // Where nothing was written since the parent, the last that is known of are the parent's.
        EraWitness? witness = FindWitness(point.LastEra, parent is null ? 1 : parent.LastEra + 1) ?? parent?.Witness;
        ImageManifest image = backup.Publish(append, map => new ImageManifest
        {
            Number = number,
            Id = _repository.Threads.NewId(),
            Parent = parent is null ? null : new ImageLink(parent.Number, parent.Id),
            Before = new ImageChain(_repository, numbers).Links(),
            Created = begun,
            Label = label,
            Device = _source.Device,
            LastEra = point.LastEra,
            Next = point.Next,
            Consistency = point.Consistency,
            Witness = witness,
            Map = map,
            Cost = new ImageCost(
                backup.BytesRead,
                backup.BytesNew,
                backup.BytesStored,
                _time.GetElapsedTime(start).TotalSeconds,
                point.Pause.TotalSeconds),
        });
        Remember(memory, image);
        return new BackupReport(image, backup.IsContinued, _remarks);
    }

    private void RequireNotOlder(BackupMemory? memory, IReadOnlyList<uint> numbers)
    {
        if (!_repository.AcceptsOlderState && memory?.WhyOlder(_repository, numbers, _remarks.Add) is string why)
        {
            throw new RepositoryException($"{_repository.Address}: {why}: the repository, or part of it, was put back "
                + "from a copy; --accept-older goes on from what is there");
        }
    }

    // The image is there, whatever becomes of this.
    private void Remember(BackupMemory? memory, ImageManifest image)
    {
        try
        {
            memory?.Remember(_repository, image);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            _remarks.Add($"{_source.MetadataPath}: nothing can be written beside it, so that the next backup will not notice a repository "
                + $"that was put back from a copy: {fault.Message}");
        }
    }

    private static ImageManifest? FindParent(
        Repository repository, IBackupSource source, BackupKind kind, List<string> remarks)
    {
        RequireSize(source.Device);
        IReadOnlyList<uint> numbers = repository.ImageNumbers();
        if (kind == BackupKind.Full || numbers.Count == 0) return null;
        ImageManifest parent = ReadNewest(repository, numbers[^1]);
        RequireUnmixed(repository, numbers);
        string? remark = new ChainCheck(repository, parent, source, Remedy).Require();
        if (remark is not null) remarks.Add(remark);
        return parent;
    }

    // With the reader's own limit: an image that is made can be read.
    private static void RequireSize(DeviceIdentity device)
    {
        if (device.SizeSectors > ImageMap.MaxSectors)
            throw new RepositoryException($"{device.Name}: has {device.SizeSectors} sectors; images are of at most {ImageMap.MaxSectors}");
    }

    private static ImageManifest ReadNewest(Repository repository, uint number)
    {
        try
        {
            return repository.ReadImage(number);
        }
        catch (ObjectDamagedException fault)
        {
            throw new RepositoryException($"{repository.Address}: image {number} is damaged ({fault.Cause}); {Remedy}", fault);
        }
    }

    // All of them are for 'era verify': an increment needs what the newest one leads to, and no other.
    private static void RequireUnmixed(Repository repository, IReadOnlyList<uint> numbers)
    {
        if (new ImageChain(repository, numbers).WhyNewestIsAlone() is string why)
        {
            throw new RepositoryException($"{repository.Address}: image {numbers[^2]} does not belong to image {numbers[^1]}: {why}; the "
                + $"repository, or part of it, was put back from a copy: put the right one back, or {Remedy}");
        }
    }

    private static double? SecondsFor(long bytes, Repository? repository)
    {
        try
        {
            return repository?.ImageNumbers() is [.., uint newest]
                && repository.ReadImage(newest).Cost is { BytesRead: > 0, Seconds: > 0 } cost
                ? bytes / (cost.BytesRead / cost.Seconds)
                : null;
        }
        catch (ObjectDamagedException)
        {
            return null;
        }
    }

    private EraWitness? FindWitness(uint last, uint first)
    {
        uint lowest = last - Math.Min(last, WitnessEras);
        for (uint era = last; era >= Math.Max(first, lowest) && era > 0; era--)
        {
            if (BlocksOf(era) is { Count: > 0 } blocks) return new EraWitness(era, blocks);
        }

        return first < lowest && BlocksOf(first) is { Count: > 0 } all ? new EraWitness(first, all) : null;
    }

    private List<uint> BlocksOf(uint era)
    {
        long blocks = (_source.Device.SizeSectors - 1) / _source.Device.BlockSizeSectors;
        return [.. _source.WrittenSince(era).Select(range => range.Begin).Where(block => block <= blocks).Take(WitnessBlocks)];
    }
}
