using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;

namespace DmEra.Backup.Upkeep;

/// <summary>Moves what is alive in packs to new ones and makes images lead there.</summary>
internal sealed class Repack : IDisposable
{
    private readonly Repository _repository;
    private readonly PackUploader _uploader;
    private readonly PackWriter _content;
    private readonly PackWriter _index;

    /// <summary>Prepares to write.</summary>
    /// <param name="repository">The repository; the caller has it for itself.</param>
    /// <param name="image">The image whose number new packs get.</param>
    /// <param name="numbers">Numbers them.</param>
    public Repack(Repository repository, uint image, PackNumbers numbers)
    {
        _repository = repository;
        _uploader = new PackUploader(repository.Store, fillers: 2, repository.Threads);
        _content = new PackWriter(PackKind.Content, image, numbers, repository.Key, _uploader);
        _index = new PackWriter(PackKind.Index, image, numbers, repository.Key, _uploader);
    }

    /// <summary>Bytes of the new packs.</summary>
    public long BytesWritten => _content.BytesWritten + _index.BytesWritten;

    /// <summary>Moves the live content of packs. The old ones are not removed.</summary>
    /// <param name="packs">The packs; those of maps are left where they are.</param>
    /// <param name="images">All images.</param>
    /// <param name="exclusive">The lock.</param>
    /// <param name="stop">Ends it, before anything is visible of it.</param>
    /// <returns>The packs that no image leads to now.</returns>
    public IReadOnlySet<PackName> Run(
        IEnumerable<LivePack> packs, IReadOnlyList<ImageManifest> images, RepositoryLock exclusive, CancellationToken stop)
    {
        MovedContent moved = new();
        HashSet<PackName> names = [];
        long end = 0;       // of what was moved last
        foreach (LivePack pack in packs.OrderBy(pack => (pack.Name.Image.Value, pack.Name.Sequence.Value)))
        {
            stop.ThrowIfCancellationRequested();
            PackDirectory directory = _repository.Reader.Open(pack.Name);
            if (directory.Kind != PackKind.Content) continue;
            // Sectors ascend within a pack; those of the next one may begin anew.
            if ((long)directory.Rows[0].FirstSector.Value < end) _content.Close();
            end = directory.Rows[^1].EndSector;
            Move(pack, directory, moved);
            names.Add(pack.Name);
        }

        _content.Close();
        List<ImageMap> maps = [.. images.Select(_repository.LoadMap)];
        MapRewriter rewriter = new(moved, _index);
        foreach (ImageMap map in maps) rewriter.WriteRegions(map);
        _index.Close();
        List<(PackReference Pack, int Record)?> written = [.. maps.Select(rewriter.WriteMap)];
        _index.Close();

        // Durable before an image leads to it.
        _uploader.Drain();
        for (int i = 0; i < images.Count; i++)
        {
            if (written[i] is not (PackReference pack, int record)) continue;
            exclusive.ThrowIfLost();
            RecordAddress address = new(pack.Name, (uint)record);
            _repository.Republish(images[i] with { Map = Repository.Describe(address) });
        }

        return names;
    }

    /// <inheritdoc/>
    public void Dispose() => _uploader.Dispose();

    private void Move(LivePack pack, PackDirectory directory, MovedContent moved)
    {
        for (int record = 0; record < directory.Rows.Length; record++)
        {
            if (!pack.IsLiveAt(record)) continue;
            RecordRow row = directory.Rows[record];
            byte[] stored = new byte[row.StoredLength];
            _repository.Reader.ReadStored(directory, record, stored);
            // Checked as on any other read: damage is found here and not carried on.
            ReadOnlySpan<byte> compressed = directory.Decode(record, stored, new byte[row.PlainLength]);
            moved.Add(pack.Name, (long)row.FirstSector.Value, _content.Append(row, compressed, out _));
        }
    }
}
