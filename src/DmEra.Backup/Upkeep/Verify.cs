using System.Collections.Concurrent;
using DmEra.Backup.Images;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Upkeep;

/// <summary>Something wrong with a repository.</summary>
/// <param name="Name">The object.</param>
/// <param name="Cause">What is wrong with it.</param>
/// <param name="Images">The images that cannot be restored in full because of it.</param>
/// <param name="Bytes">How much of the device it had for them; what several images share counts once.</param>
public sealed record RepositoryDamage(string Name, string Cause, IReadOnlyList<uint> Images, long Bytes);

/// <summary>What a verification found.</summary>
/// <param name="Images">Images looked at.</param>
/// <param name="Packs">Packs read.</param>
/// <param name="Bytes">Bytes of them.</param>
/// <param name="Damage">What is wrong; empty when all is well.</param>
public sealed record VerifyReport(int Images, int Packs, long Bytes, IReadOnlyList<RepositoryDamage> Damage);

/// <summary>How far a verification goes.</summary>
public enum VerifyDepth
{
    /// <summary>Every stored byte is compared with its checksum, and its seal where the repository is encrypted.</summary>
    Stored,

    /// <summary>All content is restored as well, and compared with the checksum it had before it was compressed. That
    /// tells also what was stored wrongly in the first place.</summary>
    Content,
}

/// <summary>
/// Reads a whole repository. Every byte of every object is checked, of those that no image leads to as well; and it
/// is made sure that for every sector of every image there is a record.
/// </summary>
public sealed class Verify
{
    private const int MaxThreads = 4;       // each has a pack in memory

    private readonly Repository _repository;
    private readonly VerifyDepth _depth;
    private readonly IProgress<long>? _progress;
    private readonly CancellationToken _stop;
    private readonly ConcurrentDictionary<string, PackFault> _faults = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Blame> _blames = new(StringComparer.Ordinal);
    private int _packs;
    private long _bytes;

    private Verify(Repository repository, VerifyDepth depth, IProgress<long>? progress, CancellationToken stop)
    {
        _repository = repository;
        _depth = depth;
        _progress = progress;
        _stop = stop;
    }

    /// <summary>Verifies a repository.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="depth">How far it goes.</param>
    /// <param name="progress">Told how many bytes of packs were read.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="RepositoryException">The store failed.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static VerifyReport Run(
        Repository repository, VerifyDepth depth, IProgress<long>? progress, CancellationToken stop)
    {
        using RepositoryLock? reading = RepositoryLock.TryTakeForReading(repository, "era verify");
        Verify verify = new(repository, depth, progress, stop);
        IReadOnlyList<uint> images = repository.ImageNumbers();
        verify.ReadPacks();
        verify.FindStrays();
        new ImageCheck(repository, verify._faults, verify.Note).Check(images, stop);
        foreach ((uint number, string why) in new ImageChain(repository, images).Strangers())
            verify.Note(Repository.NameOf(number), why, number, 0);
        foreach ((string name, PackFault fault) in verify._faults) verify.Note(name, fault.Cause, null, 0);
        return new VerifyReport(
            images.Count, verify._packs, verify._bytes,
            [.. verify._blames.OrderBy(blame => blame.Key, StringComparer.Ordinal)
                .Select(blame => new RepositoryDamage(
                    blame.Key, blame.Value.Cause, [.. blame.Value.Images], blame.Value.Bytes))]);
    }

    private void ReadPacks()
    {
        // While one waits for the store, another one computes.
        int threads = Math.Clamp(2 * _repository.Threads.Processors, _repository.Store.Parallelism, MaxThreads);
        ParallelWork<StoredObject>.Run(_repository.Threads, _repository.Store.List(PackName.Prefix), threads, NewWorker, _stop);
    }

    private Action<StoredObject> NewWorker()
    {
        PackCheck check = new(_repository.Store, _repository.Key, _depth);
        return found =>
        {
            if (check.Find(found) is { } fault) _faults[found.Name] = fault;
            Interlocked.Increment(ref _packs);
            _progress?.Report(Interlocked.Add(ref _bytes, found.Length));
        };
    }

    // A name with a flipped bit hides an object as well as flipped content does. An image that was made meanwhile is none.
    private void FindStrays()
    {
        foreach (StoredObject found in _repository.Store.List(Repository.ImagePrefix))
        {
            if (!Repository.TryParseName(found.Name, out _)) Note(found.Name, "it is not part of a repository", null, 0);
        }
    }

    private void Note(string name, string cause, uint? image, long bytes)
    {
        if (!_blames.TryGetValue(name, out Blame? blame)) _blames.Add(name, blame = new Blame(cause));
        if (image is not null) blame.Images.Add(image.Value);
        blame.Bytes += bytes;
    }

    private sealed class Blame(string cause)
    {
        public string Cause { get; } = cause;

        public SortedSet<uint> Images { get; } = [];

        public long Bytes { get; set; }
    }
}
