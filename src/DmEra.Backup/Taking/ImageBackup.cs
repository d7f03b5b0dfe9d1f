using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Devices;

namespace DmEra.Backup.Taking;

/// <summary>
/// An image that is being taken: passes over the device, each of which replaces what the ones before it have read.
/// Nobody sees it before it is published; what is left of one that never is, the next one uses. One thread at a time.
/// </summary>
internal sealed class ImageBackup : IDisposable
{
    private readonly Repository _repository;
    private readonly LeftOverPacks _leftOvers;
    private readonly PackUploader _uploader;
    private readonly PackWriter _content;
    private readonly PackWriter _index;
    private readonly IProgress<long>? _progress;
    private readonly CancellationToken _stop;
    private ImageMap _map;
    private RecordAddress _address;

    /// <summary>Begins an image.</summary>
    /// <param name="repository">Where it goes; the caller holds a lock on it.</param>
    /// <param name="number">Its number.</param>
    /// <param name="start">The image that the first pass changes; null to begin with zeroes.</param>
    /// <param name="sizeSectors">Length of the device.</param>
    /// <param name="progress">Told how many bytes were read in all.</param>
    /// <param name="stop">Ends passes.</param>
    public ImageBackup(
        Repository repository,
        uint number,
        ImageManifest? start,
        long sizeSectors,
        IProgress<long>? progress,
        CancellationToken stop)
    {
        _repository = repository;
        _progress = progress;
        _stop = stop;
        Number = number;
        _map = start is null ? ImageMap.Empty(0, repository.Reader) : repository.LoadMap(start);
        SizeSectors = sizeSectors;
        _leftOvers = LeftOverPacks.Collect(repository.Store, repository.Reader, number, repository.Threads);
        PackNumbers numbers = new(_leftOvers.NextSequence);
        _uploader = new PackUploader(repository.Store, fillers: 2, repository.Threads);
        _content = new PackWriter(PackKind.Content, number, numbers, repository.Key, _uploader);
        _index = new PackWriter(PackKind.Index, number, numbers, repository.Key, _uploader);
    }

    /// <summary>Its number.</summary>
    public uint Number { get; }

    /// <summary>Length of the device.</summary>
    public long SizeSectors { get; }

    /// <summary>True when an interrupted backup has left packs that may be used.</summary>
    public bool IsContinued => _leftOvers.Objects.Count > 0;

    /// <summary>Bytes read from the device.</summary>
    public long BytesRead { get; private set; }

    /// <summary>Bytes that were neither zeroes nor in the repository already.</summary>
    public long BytesNew { get; private set; }

    /// <summary>Bytes by which the repository has grown.</summary>
    public long BytesStored => _content.BytesWritten + _index.BytesWritten;

    /// <summary>Takes ranges of the device as they are now; the rest stays as it was.</summary>
    /// <param name="source">The device.</param>
    /// <param name="ranges">Ascending.</param>
    /// <exception cref="DeviceException">The device failed.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public void Take(IBlockDevice source, IEnumerable<SectorRange> ranges)
    {
        MapEditor editor = new(_map, SizeSectors, _content, _index);
        CellPipeline.Run(_repository.Threads, source, ranges, _leftOvers, cell => Store(cell, editor), _stop);
        _address = editor.Finish();
        // The next pass reads the map that this one has written.
        _uploader.Drain();
        _map = ImageMap.Load(_address, SizeSectors, _repository.Reader);
    }

    /// <summary>Makes the image visible.</summary>
    /// <param name="repositoryLock">The lock that was held all the time.</param>
    /// <param name="describe">Makes its document, given the place of its map.</param>
    /// <exception cref="RepositoryException">The store failed, or the lock was lost.</exception>
    public ImageManifest Publish(RepositoryLock repositoryLock, Func<string, ImageManifest> describe)
    {
        ImageManifest image = describe(Repository.Describe(_address));
        repositoryLock.ThrowIfLost();
        // Everything that it leads to is durable.
        _repository.Publish(image);
        RemoveLeftOvers();
        return image;
    }

    /// <inheritdoc/>
    public void Dispose() => _uploader.Dispose();

    private void RemoveLeftOvers()
    {
        try
        {
            _repository.Store.Delete(_leftOvers.Unused());
        }
        catch (Exception fault) when (fault is RepositoryException or OperationCanceledException)
        {
            // The image is there, and so is the next prune.
        }
    }

    private void Store(Cell cell, MapEditor editor)
    {
        PackReference? pack = cell.Known;
        if (pack is null && !cell.IsZero)
        {
            pack = _content.Append(cell.Row, cell.Encoded, out _);
            BytesNew += cell.Length;
        }

        editor.Set(cell.First, cell.Sectors, pack);
        BytesRead += cell.Length;
        _progress?.Report(BytesRead);
    }
}
