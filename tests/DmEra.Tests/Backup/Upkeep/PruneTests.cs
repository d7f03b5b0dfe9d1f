using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Backup.Taking;
using DmEra.Backup.Upkeep;

namespace DmEra.Tests.Backup.Upkeep;

public class PruneTests
{
    [Fact]
    public void A_prune_that_drops_nothing_changes_nothing()
    {
        // A piece that compresses to a few bytes: the pack is mostly header.
        ModelSource source = new(40 * 128, lineage: Guid.NewGuid());
        source.Write(3, [.. Enumerable.Repeat((byte)'x', 65536)]);
        MemoryStore store = new();
        Repository repository = TestRepository.New(store);
        repository.Backup(source);
        string[] before = [.. store.Content.Keys.Order(StringComparer.Ordinal)];

        PruneReport report = repository.Prune(last: 1);

        Assert.Equal(0, report.BytesFreed);
        Assert.Equal(before, store.Content.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_damaged_image_that_no_rule_keeps_goes_and_is_named()
    {
        MemoryStore store = WithThreeImages(out ModelSource source);
        store.Put(Repository.NameOf(2), ReadOnlyMemory<byte>.Empty);
        Repository repository = Repository.Open(store, null);

        PruneReport report = repository.Prune(last: 1);

        Assert.Equal([1u, 2u], report.Dropped);
        Assert.Equal([2u], report.Damaged);
        Assert.Empty(repository.Verify());
        Assert.Equal(-1, repository.Restore(repository.ReadImage(3)).FirstDifference(source.Disk));
    }

    [Fact]
    public void A_damaged_image_that_is_asked_for_stays_until_it_is_given_up()
    {
        MemoryStore store = WithThreeImages(out _);
        store.Put(Repository.NameOf(2), ReadOnlyMemory<byte>.Empty);
        Repository repository = Repository.Open(store, null);
        string[] before = [.. store.Content.Keys.Order(StringComparer.Ordinal)];

        RepositoryException refusal = Assert.Throws<RepositoryException>(() => repository.Prune(last: 2));

        Assert.Contains("--remove-damaged", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(before, store.Content.Keys.Order(StringComparer.Ordinal));
        Assert.Equal([1u, 3u], repository.Prune(last: 2, DamagedImages.Remove).Kept);
        Assert.Empty(repository.Verify());
    }

    [Fact]
    public void A_damaged_newest_image_goes_with_its_packs_and_the_one_before_it_is_kept()
    {
        MemoryStore store = WithThreeImages(out _);
        store.Put(Repository.NameOf(3), ReadOnlyMemory<byte>.Empty);
        Repository repository = Repository.Open(store, null);

        Assert.Equal([2u], repository.Prune(last: 1, DamagedImages.Remove).Kept);

        Assert.DoesNotContain(store.Content.Keys, name => name.StartsWith("packs/000003/", StringComparison.Ordinal));
        Assert.Empty(repository.Verify());
    }

    [Fact]
    public void A_prune_on_a_full_disk_frees_what_it_can_and_leaves_nothing_half_written()
    {
        ModelSource source = new(60 * 128, lineage: Guid.NewGuid());
        Random random = new(1);
        for (int block = 0; block < 60; block++) source.Write(block, random);
        MemoryStore store = new();
        Repository repository = TestRepository.New(store);
        repository.Backup(source);
        source.CurrentEra++;
        for (int block = 0; block < 50; block++) source.Write(block, random);
        repository.Backup(source);
        source.CurrentEra++;
        for (int block = 0; block < 3; block++) source.Write(block, random);
        ImageManifest newest = repository.Backup(source);
        int packs = store.Content.Keys.Count(name => name.StartsWith("packs/", StringComparison.Ordinal));
        store.NoRoomFor = 1;

        PruneReport report = repository.Prune(last: 1);

        Assert.Equal([1u, 2u], report.Dropped);
        Assert.False(report.IsCompact);
        Assert.True(store.Content.Keys.Count(name => name.StartsWith("packs/", StringComparison.Ordinal)) <= packs);
        Assert.DoesNotContain(store.Content.Keys, name => name.StartsWith("locks/", StringComparison.Ordinal));
        Assert.Equal(-1, repository.Restore(newest).FirstDifference(source.Disk));
        store.NoRoomFor = int.MaxValue;
        Assert.True(repository.Prune(last: 1).IsCompact);
        Assert.Empty(repository.Verify());
        Assert.Equal(-1, repository.Restore(repository.ReadImage(3)).FirstDifference(source.Disk));
    }

    [Fact]
    public void A_prune_whose_lock_was_taken_away_removes_nothing_more()
    {
        MemoryStore store = WithThreeImages(out _);
        Repository repository = Repository.Open(store, null);
        store.After = (verb, name) =>
        {
            if (verb is not "delete" || !name.StartsWith("images/", StringComparison.Ordinal)) return;
            store.After = null;
            store.Delete(store.Content.Keys.Where(other => other.StartsWith("locks/", StringComparison.Ordinal)));
        };

        Assert.Throws<RepositoryException>(() => repository.Prune(last: 1));

        Assert.Contains(store.Content.Keys, name => name.StartsWith("packs/000001/", StringComparison.Ordinal));
    }

    private static MemoryStore WithThreeImages(out ModelSource source)
    {
        source = new ModelSource(40 * 128, lineage: Guid.NewGuid());
        MemoryStore store = new();
        Repository repository = TestRepository.New(store);
        Random random = new(3);
        for (int image = 0; image < 3; image++)
        {
            for (int block = 0; block < 20; block++) source.Write(block, random);
            repository.Backup(source, BackupKind.Full);
            source.CurrentEra++;
        }

        return store;
    }
}
