using DmEra.Backup.Images;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Upkeep;

/// <summary>What a prune did, or would do.</summary>
/// <param name="Kept">Numbers of the images that stay.</param>
/// <param name="Dropped">Numbers of the images that went.</param>
/// <param name="Damaged">Those of them that were no images any more, as their documents were damaged.</param>
/// <param name="BytesFreed">Bytes by which the repository has shrunk; negative when new maps take more than what went.</param>
/// <param name="IsCompact">False when there was no room to write packs anew without what nobody needs of them.</param>
public sealed record PruneReport(
    IReadOnlyList<uint> Kept, IReadOnlyList<uint> Dropped, IReadOnlyList<uint> Damaged, long BytesFreed, bool IsCompact);

/// <summary>What becomes of images whose documents are damaged.</summary>
public enum DamagedImages
{
    /// <summary>One that is among the newest that are kept ends the prune; others go.</summary>
    Count,

    /// <summary>They go.</summary>
    Remove,
}

/// <summary>
/// Removes images, and then the packs that no image leads to any more. Every image is whole by itself, so that any of
/// them can go. A pack of which less than half is alive is written anew without the rest; interrupted at any point, all
/// images that stay are as before, and the next prune goes on. What needs room comes last, and may fail for the lack of it.
/// </summary>
public sealed class Prune
{
    private const int PacksAtOnce = 1 << 17;        // bounds memory: about 30 MiB
    private const int DeletionsAtOnce = 100;        // between two looks at the lock
    private static readonly TimeSpan AgeOfLeftOvers = TimeSpan.FromHours(1);

    private readonly Repository _repository;
    private readonly RepositoryLock _exclusive;
    private readonly CancellationToken _stop;
    private long _bytesFreed;
    private bool _isCompact = true;

    private Prune(Repository repository, RepositoryLock exclusive, CancellationToken stop)
    {
        _repository = repository;
        _exclusive = exclusive;
        _stop = stop;
    }

    /// <summary>Tells what <see cref="Run"/> would keep and drop, and removes nothing.</summary>
    /// <exception cref="RepositoryException">The store failed, or a document of an image that is kept is damaged.</exception>
    public static PruneReport Plan(Repository repository, KeepPolicy policy, DamagedImages damagedImages, TimeZoneInfo zone)
    {
        List<ImageManifest> images = [];
        List<uint> damaged = [];
        IReadOnlyList<uint> numbers = repository.ImageNumbers();
        foreach (uint number in numbers)
        {
            try { images.Add(repository.ReadImage(number)); }
            catch (ObjectDamagedException) when (
                damagedImages == DamagedImages.Remove || numbers.Count(other => other >= number) > policy.Last)
            {
                damaged.Add(number);
            }
            catch (ObjectDamagedException fault)
            {
                throw new RepositoryException($"{repository.Address}: image {number} is damaged ({fault.Cause}), and --keep {policy.Last} "
                    + "keeps it; say --remove-damaged to have it removed", fault);
            }
        }

        // Where no image is left there is nothing to go by.
        if (images.Count == 0) return new PruneReport([], [], [], BytesFreed: 0, IsCompact: true);
        IReadOnlySet<uint> kept = policy.Choose(images, zone);
        return new PruneReport(
            [.. numbers.Where(kept.Contains)],
            [.. numbers.Where(number => !kept.Contains(number))],
            damaged,
            BytesFreed: 0,
            IsCompact: true);
    }

    /// <summary>Removes what a policy does not keep.</summary>
    /// <exception cref="RepositoryException">Somebody else uses the repository, the store failed, or part of an
    /// image that stays is damaged: then nothing that belongs to an image has been removed.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static PruneReport Run(
        Repository repository, KeepPolicy policy, DamagedImages damagedImages, CancellationToken stop)
    {
        using RepositoryLock exclusive = RepositoryLock.Take(repository.Store, LockKind.Exclusive, "era prune", repository.Threads);
        TimeProvider time = repository.Threads.Time;
        PruneReport plan = Plan(repository, policy, damagedImages, time.LocalTimeZone);
        if (plan.Kept.Count == 0) return plan;
        repository.Store.RemoveUnfinished(time.GetUtcNow() - AgeOfLeftOvers);
        Prune prune = new(repository, exclusive, stop);
        prune.Sweep(plan);
        return plan with { BytesFreed = prune._bytesFreed, IsCompact = prune._isCompact };
    }

    private void Sweep(PruneReport plan)
    {
        uint newest = plan.Kept[^1];
        List<(PackName Name, long Length)> packs = [];
        foreach (StoredObject found in _repository.Store.List(PackName.Prefix))
        {
            // Those above belong to a backup that was interrupted: the next one uses them.
            if (PackName.TryParse(found.Name, out PackName name) && (name.Image <= newest || plan.Damaged.Contains(name.Image)))
                packs.Add((name, found.Length));
        }

        packs.Sort((left, right) => (left.Name.Image.Value, left.Name.Sequence.Value)
            .CompareTo((right.Name.Image.Value, right.Name.Sequence.Value)));
        uint nextSequence = packs.Where(pack => pack.Name.Image == newest)
            .Max(pack => (uint?)pack.Name.Sequence.Value + 1) ?? 0;
        PackNumbers numbers = new(nextSequence);
        // Once even without packs: images of nothing but zeroes have none.
        foreach ((PackName Name, long Length)[] batch in packs.Chunk(PacksAtOnce).DefaultIfEmpty([]))
        {
            _stop.ThrowIfCancellationRequested();
            LivePacks live = new(batch, _repository.Reader);
            List<ImageManifest> images = [.. plan.Kept.Select(_repository.ReadImage)];
            live.Mark(images.Select(_repository.LoadMap));
            // Not before it is known that what stays is whole; and for good before what they lead to goes.
            Delete(plan.Dropped.Select(Repository.NameOf));
            Remove([.. live.All.Where(pack => !pack.IsLive)]);

            List<LivePack> thin = [.. live.All.Where(pack => pack.IsThin)];
            if (thin.Count > 0 && _isCompact) Compact(thin, images, newest, numbers);
        }
    }

    private void Compact(List<LivePack> thin, List<ImageManifest> images, uint newest, PackNumbers numbers)
    {
        try
        {
            using Repack repack = new(_repository, newest, numbers);
            IReadOnlySet<PackName> moved = repack.Run(thin, images, _exclusive, _stop);
            Remove([.. thin.Where(pack => moved.Contains(pack.Name))]);
            _bytesFreed -= repack.BytesWritten;
        }
        catch (StoreFullException)
        {
            _isCompact = false;
            RemoveAbandoned(images, newest, numbers);
        }
    }

    // What was written anew must not take the room that was just freed.
    private void RemoveAbandoned(List<ImageManifest> images, uint newest, PackNumbers numbers)
    {
        List<(PackName Name, long Length)> written = [];
        foreach (StoredObject found in _repository.Store.List(PackName.PrefixOf(newest)))
        {
            if (PackName.TryParse(found.Name, out PackName name) && name.Sequence >= numbers.First) written.Add((name, found.Length));
        }

        LivePacks live = new(written, _repository.Reader);
        // Some images may lead there already.
        live.Mark(images.Select(image => _repository.LoadMap(_repository.ReadImage(image.Number))));
        Delete(live.All.Where(pack => !pack.IsLive).Select(pack => pack.Name.ToString()));
    }

    private void Remove(List<LivePack> packs)
    {
        Delete(packs.Select(pack => pack.Name.ToString()));
        _bytesFreed += packs.Sum(pack => pack.Length);
    }

    private void Delete(IEnumerable<string> names)
    {
        foreach (string[] some in names.Chunk(DeletionsAtOnce))
        {
            // Whoever was taken for dead in the midst of it must not go on.
            _exclusive.ThrowIfLost();
            _repository.Store.Delete(some);
        }
    }
}
