using DmEra.Backup.Images;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;

namespace DmEra.Backup.Upkeep;

/// <summary>What a prune did, or would do.</summary>
/// <param name="Kept">Numbers of the images that stay.</param>
/// <param name="Dropped">Numbers of the images that went.</param>
/// <param name="BytesFreed">Bytes by which the repository has shrunk; negative when new maps take more than what went.</param>
public sealed record PruneReport(IReadOnlyList<uint> Kept, IReadOnlyList<uint> Dropped, long BytesFreed);

/// <summary>
/// Removes images, and then the packs that no image leads to any more. Every image is whole by itself, so that any of
/// them can go. A pack of which less than half is alive is written anew without the rest; interrupted at any point, all
/// images that stay are as before, and the next prune goes on.
/// </summary>
public sealed class Prune
{
    private const int PacksAtOnce = 1 << 17;        // bounds memory: about 30 MiB
    private static readonly TimeSpan AgeOfLeftOvers = TimeSpan.FromHours(1);

    private readonly Repository _repository;
    private readonly CancellationToken _stop;
    private long _bytesFreed;

    private Prune(Repository repository, CancellationToken stop)
    {
        _repository = repository;
        _stop = stop;
    }

    /// <summary>Tells what <see cref="Run"/> would keep and drop, and removes nothing.</summary>
    /// <exception cref="RepositoryException">The store failed, or a document is damaged.</exception>
    public static PruneReport Plan(Repository repository, KeepPolicy policy, TimeZoneInfo zone)
    {
        List<ImageManifest> images = [.. repository.ImageNumbers().Select(repository.ReadImage)];
        IReadOnlySet<uint> kept = policy.Choose(images, zone);
        return new PruneReport(
            [.. images.Select(image => image.Number).Where(kept.Contains)],
            [.. images.Select(image => image.Number).Where(number => !kept.Contains(number))],
            BytesFreed: 0);
    }

    /// <summary>Removes what a policy does not keep.</summary>
    /// <exception cref="RepositoryException">Somebody else uses the repository, the store failed, or part of an
    /// image that stays is damaged: then nothing that belongs to an image has been removed.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static PruneReport Run(
        Repository repository, KeepPolicy policy, TimeProvider time, CancellationToken stop)
    {
        using RepositoryLock exclusive = RepositoryLock.Take(repository.Store, LockKind.Exclusive, "era prune", time);
        PruneReport plan = Plan(repository, policy, time.LocalTimeZone);
        if (plan.Kept.Count == 0) return plan;
        Prune prune = new(repository, stop);
        prune.Sweep(plan, exclusive);
        prune.RemoveTemporaries(time);
        return plan with { BytesFreed = prune._bytesFreed };
    }

    private void Sweep(PruneReport plan, RepositoryLock exclusive)
    {
        uint newest = plan.Kept[^1];
        List<(PackName Name, long Length)> packs = [];
        foreach (StoredObject found in _repository.Store.List(PackName.Prefix))
        {
            // Those above belong to a backup that was interrupted: the next one uses them.
            if (PackName.TryParse(found.Name, out PackName name) && name.Image <= newest) packs.Add((name, found.Length));
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
            exclusive.ThrowIfLost();
            // Not before it is known that what stays is whole; and for good before what they lead to goes.
            _repository.Store.Delete(plan.Dropped.Select(Repository.NameOf));
            Remove([.. live.All.Where(pack => !pack.IsLive)]);

            List<LivePack> thin = [.. live.All.Where(pack => pack.IsThin)];
            if (thin.Count == 0) continue;
            using Repack repack = new(_repository, newest, numbers);
            IReadOnlySet<PackName> moved = repack.Run(thin, images, exclusive, _stop);
            Remove([.. thin.Where(pack => moved.Contains(pack.Name))]);
            _bytesFreed -= repack.BytesWritten;
        }
    }

    private void Remove(List<LivePack> packs)
    {
        _repository.Store.Delete(packs.Select(pack => pack.Name.ToString()));
        _bytesFreed += packs.Sum(pack => pack.Length);
    }

    private void RemoveTemporaries(TimeProvider time)
    {
        DateTimeOffset latest = time.GetUtcNow() - AgeOfLeftOvers;
        _repository.Store.Delete(_repository.Store.List(FolderStore.TemporaryPrefix)
            .Where(found => found.Written < latest).Select(found => found.Name));
    }
}
