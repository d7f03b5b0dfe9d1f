using DmEra.Backup.Images;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Backup.Taking;

namespace DmEra.Tests.Backup;

/// <summary>Programs that are killed, and stores that fail, at every single call.</summary>
public sealed class InterruptionTests
{
    private const int Blocks = 60;
    private readonly ModelSource _source = new(Blocks * 128, lineage: Guid.NewGuid());
    private readonly MemoryStore _store = new();

    public InterruptionTests()
    {
        Random random = new(1);
        for (int block = 0; block < Blocks; block += 2) _source.Write(block, random);
    }

    [Fact]
    public void A_backup_that_is_killed_at_any_call_leaves_the_images_before_it_and_nothing_else_to_be_seen()
    {
        Repository repository = TestRepository.New(_store);
        ImageManifest first = repository.Backup(_source);
        SparseDevice then = _source.Disk.Copy();
        _source.CurrentEra++;
        for (int block = 0; block < Blocks; block += 7) _source.Write(block, new Random(block));
        SparseDevice now = _source.Disk.Copy();

        int calls = ForEveryCall(store => Open(store).Backup(_source), (killed, at) =>
        {
            Repository after = Open(killed);
            IReadOnlyList<uint> numbers = after.ImageNumbers();
            Assert.True(numbers is [1] or [1, 2], $"call {at}: images {string.Join(' ', numbers)}");
            Assert.Empty(after.Verify());
            Assert.Equal(-1, after.Restore(first).FirstDifference(then));
            ImageManifest second = numbers.Count == 2 ? after.ReadImage(2) : after.Backup(_source);
            Assert.Equal(-1, after.Restore(second).FirstDifference(now));
            Assert.Empty(after.Verify());
        });

        Assert.True(calls > 10);
    }

    [Fact]
    public void A_prune_that_is_killed_at_any_call_leaves_every_image_it_would_keep()
    {
        Repository repository = TestRepository.New(_store);
        Dictionary<uint, SparseDevice> taken = [];
        for (int i = 0; i < 5; i++)
        {
            taken.Add(repository.Backup(_source).Number, _source.Disk.Copy());
            _source.CurrentEra++;
            // Most of what was there before is written over, so that packs become thin.
            for (int block = i % 2; block < Blocks - 8; block += i == 2 ? 1 : 5) _source.Write(block, new Random((i * 1000) + block));
        }

        int calls = ForEveryCall(store => Open(store).Prune(last: 2), (killed, at) =>
        {
            Repository after = Open(killed);
            foreach (uint number in (uint[])[4, 5])
                Assert.Equal(-1, after.Restore(after.ReadImage(number)).FirstDifference(taken[number]));
            after.Prune(last: 2);
            Assert.Equal([4, 5], after.ImageNumbers());
            Assert.Empty(after.Verify());
            foreach (uint number in (uint[])[4, 5])
                Assert.Equal(-1, after.Restore(after.ReadImage(number)).FirstDifference(taken[number]));
        });

        Assert.True(calls > 10);
    }

    [Fact]
    public void A_store_that_fails_at_any_call_ends_a_backup_with_its_reason()
    {
        Repository repository = TestRepository.New(_store);
        repository.Backup(_source);
        _source.CurrentEra++;
        for (int block = 0; block < Blocks; block += 7) _source.Write(block, new Random(block));
        Dictionary<string, byte[]> before = _store.Content;

        int calls = ForEveryCall(
            store => Open(store).Backup(_source),
            (failed, at) => Assert.All(before, pair => Assert.Equal(pair.Value, failed.Content[pair.Key])),
            fault: () => new RepositoryException("memory: cannot write x: No space left on device"));

        Assert.True(calls > 10);
    }

    [Fact]
    public void What_an_interrupted_backup_has_stored_is_not_stored_again()
    {
        // More than a pack: only whole packs are there after an interruption.
        ModelSource source = new(3 * PackLimits.TargetLength / 512, lineage: Guid.NewGuid());
        Random random = new(2);
        for (int block = 0; block < source.Blocks; block++) source.Write(block, random);
        Repository repository = TestRepository.New(_store);
        int packs = 0;
        _store.Before = (verb, name) =>
        {
            if (verb is "put" && name.StartsWith(PackName.Prefix, StringComparison.Ordinal) && Interlocked.Increment(ref packs) == 3)
                throw new RepositoryException("the network is gone");
        };
        Assert.Throws<RepositoryException>(() => repository.Backup(source));
        _store.Before = null;
        Assert.Empty(repository.ImageNumbers());
        // Meanwhile the device goes on.
        source.Write(5, random);

        BackupReport report = BackupRun.Take(
            Open(_store), source, BackupKind.Incremental, null, null, CancellationToken.None);

        Assert.True(report.WasContinued);
        Assert.InRange(report.Image.Cost.BytesNew, PackLimits.TargetLength / 2, PackLimits.TargetLength * 3 / 2);
        Assert.Equal(-1, repository.Restore(report.Image).FirstDifference(source.Disk));
        Assert.Empty(Open(_store).Verify());
    }

    [Fact]
    public void What_an_interrupted_backup_has_left_and_nobody_needs_is_removed_by_the_next_one()
    {
        Repository repository = TestRepository.New(_store);
        _store.Before = (verb, name) =>
        {
            if (verb is "put" && name.StartsWith("images/", StringComparison.Ordinal)) throw new RepositoryException("killed");
        };
        Assert.Throws<RepositoryException>(() => repository.Backup(_source));
        _store.Before = null;
        for (int block = 0; block < Blocks; block++) _source.Write(block, new Random(block + 500));
        int left = _store.Content.Keys.Count(name => name.StartsWith(PackName.Prefix, StringComparison.Ordinal));

        Open(_store).Backup(_source);

        Assert.True(left > 0);
        Assert.Equal(left, _store.Content.Keys.Count(name => name.StartsWith(PackName.Prefix, StringComparison.Ordinal)));
        Assert.Equal(-1, Open(_store).Restore(repository.ReadImage(1)).FirstDifference(_source.Disk));
    }

    [Fact]
    public void An_image_that_is_there_is_no_failure_because_left_overs_cannot_be_removed()
    {
        Repository repository = TestRepository.New(_store);
        _store.Before = (verb, name) =>
        {
            if (verb is "put" && name.StartsWith("images/", StringComparison.Ordinal)) throw new RepositoryException("killed");
        };
        Assert.Throws<RepositoryException>(() => repository.Backup(_source));
        _store.Before = (verb, name) =>
        {
            if (verb is "delete" && name.StartsWith(PackName.Prefix, StringComparison.Ordinal)) throw new RepositoryException("no");
        };
        for (int block = 0; block < Blocks; block++) _source.Write(block, new Random(block + 500));

        ImageManifest image = Open(_store).Backup(_source);

        _store.Before = null;
        Assert.Equal(-1, Open(_store).Restore(image).FirstDifference(_source.Disk));
        int before = _store.Content.Count;
        Open(_store).Prune(last: 1);
        Assert.True(_store.Content.Count < before);
        Assert.Empty(Open(_store).Verify());
    }

    [Fact]
    public void Stopping_a_backup_leaves_the_repository_as_it_was()
    {
        Repository repository = TestRepository.New(_store);
        repository.Backup(_source);
        _source.CurrentEra++;
        _source.Write(3, new Random(3));
        using CancellationTokenSource stop = new();
        _source.BeforePass = stop.Cancel;

        Assert.Throws<OperationCanceledException>(() => BackupRun.Take(
            repository, _source, BackupKind.Incremental, null, null, stop.Token));

        Assert.Equal([1u], repository.ImageNumbers());
        Assert.DoesNotContain(_store.Content.Keys, name => name.StartsWith("locks/", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_in_an_image_is_durable_on_the_device()
    {
        // Else a power failure would take back what the image has, and no era would tell.
        SparseDevice durable = new(_source.Disk.Length);
        _source.Disk.WhenFlushed = () => durable = _source.Disk.Copy();
        List<long> differences = [];
        _store.Before = (verb, name) =>
        {
            if (verb is "put" && name.StartsWith("images/", StringComparison.Ordinal)) differences.Add(durable.FirstDifference(_source.Disk));
        };
        Repository repository = TestRepository.New(_store);

        repository.Backup(_source);
        _source.CurrentEra++;
        _source.Write(4, new Random(4));
        repository.Backup(_source);

        Assert.Equal([-1, -1], differences);
    }

    [Fact]
    public void Two_backups_at_once_exclude_each_other()
    {
        Repository repository = TestRepository.New(_store);
        RepositoryException? refusal = null;
        _source.BeforePass = () =>
        {
            _source.BeforePass = null;
            refusal = Assert.Throws<RepositoryException>(() => Open(_store).Backup(_source));
        };

        ImageManifest image = repository.Backup(_source);

        Assert.Contains("in use by 'era backup'", refusal!.Message, StringComparison.Ordinal);
        Assert.Equal(-1, repository.Restore(image).FirstDifference(_source.Disk));
    }

    private static Repository Open(IObjectStore store) => Repository.Open(store, null);

    /// <summary>Runs something on copies of the store, cut off at its first, second, ... call, and looks at what is left.</summary>
    /// <returns>How many calls there were.</returns>
    private int ForEveryCall(Action<MemoryStore> run, Action<MemoryStore, int> check, Func<Exception>? fault = null)
    {
        Dictionary<string, byte[]> before = _store.Content;
        for (int at = 1; ; at++)
        {
            MemoryStore store = new(before);
            int calls = 0;
            // A program that was killed makes no further call, not even to tidy up.
            store.Before = (_, _) =>
            {
                int call = Interlocked.Increment(ref calls);
                if (fault is null ? call >= at : call == at) throw fault?.Invoke() ?? new KilledException();
            };
            Exception? end = Record.Exception(() => run(store));
            bool wasReached = calls >= at;
            if (fault is null) Assert.True(!wasReached || end is KilledException, $"call {at}: {end}");
            else Assert.True(end is null or RepositoryException, $"call {at}: {end}");
            store.Before = null;
            foreach (string name in store.Content.Keys.Where(name => name.StartsWith("locks/", StringComparison.Ordinal))) store.Delete(name);
            check(store, at);
            if (!wasReached) return calls;
        }
    }

    private sealed class KilledException : Exception;
}
