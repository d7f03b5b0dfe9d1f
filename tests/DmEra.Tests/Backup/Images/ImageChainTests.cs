using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Backup.Taking;
using DmEra.Backup.Upkeep;

namespace DmEra.Tests.Backup.Images;

/// <summary>Parts of a repository that were put back from a copy, as somebody can who may write to the store and has no key.</summary>
public sealed class ImageChainTests
{
    private static readonly RepositorySecret Secret = RepositorySecret.FromPassphrase("secret");

    private readonly MemoryStore _store = new();
    private readonly ModelSource _source = new(40 * 128, lineage: Guid.NewGuid());
    private readonly Random _random = new(1);

    [Theory, InlineData(BackupKind.Incremental), InlineData(BackupKind.Full)]
    public void An_image_of_another_time_is_found_and_neither_restored_nor_built_upon(BackupKind last)
    {
        Dictionary<string, byte[]> copy = WithImages(2);
        _store.Delete(Repository.NameOf(2));
        Take();
        Take(last);

        PutBack(copy, image: 2);

        using Repository repository = Open();
        RepositoryDamage damage = Assert.Single(repository.Verify(), found => found.Name == Repository.NameOf(2));
        Assert.Contains("another image 2 than the one that was there when image 3 was taken", damage.Cause, StringComparison.Ordinal);
        Assert.Contains("--accept-mixed", Assert.Throws<RepositoryException>(() => repository.FindImage("2")).Message, StringComparison.Ordinal);
        Assert.Contains("does not belong", Assert.Throws<RepositoryException>(() => repository.Backup(_source)).Message, StringComparison.Ordinal);
        Assert.Equal(3u, repository.FindImage(null).Number);
        repository.AcceptsMixedImages = true;
        Assert.Equal(2u, repository.FindImage("2").Number);
        Assert.Equal(4u, repository.Backup(_source, BackupKind.Full).Number);
    }

    [Fact]
    public void It_is_found_where_images_in_between_have_been_pruned()
    {
        Dictionary<string, byte[]> copy = WithImages(1);
        _store.Delete(Repository.NameOf(1));
        for (int i = 0; i < 5; i++) Take();
        _store.Delete(Repository.NameOf(2), Repository.NameOf(3), Repository.NameOf(4));

        PutBack(copy, image: 1);

        using Repository repository = Open();
        Assert.Contains(repository.Verify(), found => found.Name == Repository.NameOf(1));
        Assert.Throws<RepositoryException>(() => repository.FindImage("1"));
    }

    [Fact]
    public void An_image_that_was_pruned_and_is_there_again_is_found()
    {
        Dictionary<string, byte[]> copy = WithImages(3);
        using Repository repository = Open();
        repository.Prune(last: 1);
        Take();

        PutBack(copy, image: 2);

        Assert.Contains(repository.Verify(), found => found.Cause == "it was not there when image 4 was taken");
    }

    [Fact]
    public void Images_that_belong_together_do_so_whatever_was_pruned_or_is_damaged()
    {
        WithImages(6);
        using Repository repository = Open();
        repository.Prune(last: 5);
        _store.Delete(Repository.NameOf(4));
        _store.Put(Repository.NameOf(5), ReadOnlyMemory<byte>.Empty);
        Take();

        Assert.Equal([Repository.NameOf(5)], repository.Verify().Select(found => found.Name));
        Assert.Equal([2u, 3u, 5u, 6u], repository.ReadImage(7).Before!.Select(link => link.Number));
        foreach (string number in (string[])["2", "3", "6", "7"]) Assert.Equal(number, $"{repository.FindImage(number).Number}");
    }

    [Fact]
    public void Images_of_earlier_versions_are_vouched_for_by_their_children_and_by_the_next_image()
    {
        WithImages(3);
        using Repository repository = Open();
        for (uint number = 1; number <= 3; number++) repository.Republish(repository.ReadImage(number) with { Before = null });
        Assert.Empty(repository.Verify());
        Assert.Equal(1u, repository.FindImage("1").Number);

        Take();

        Assert.Empty(repository.Verify());
        Assert.Equal([1u, 2u, 3u], repository.ReadImage(4).Before!.Select(link => link.Number));
        repository.Republish(repository.ReadImage(2) with { Id = Guid.NewGuid() });
        Assert.Contains(repository.Verify(), found => found.Name == Repository.NameOf(2));
    }

    private Repository Open() => Repository.Open(_store, Secret);

    private Dictionary<string, byte[]> WithImages(int count)
    {
        Repository.Create(_store, Secret);
        for (int i = 0; i < count; i++) Take();
        return _store.Content;
    }

    private void Take(BackupKind kind = BackupKind.Incremental)
    {
        _source.CurrentEra++;
        _source.Write(_random.Next(40), _random);
        using Repository repository = Open();
        repository.Backup(_source, kind);
    }

    private void PutBack(Dictionary<string, byte[]> copy, uint image)
    {
        foreach ((string name, byte[] content) in copy)
        {
            if (name == Repository.NameOf(image) || name.StartsWith("packs/", StringComparison.Ordinal)) _store.Put(name, content);
        }
    }
}
