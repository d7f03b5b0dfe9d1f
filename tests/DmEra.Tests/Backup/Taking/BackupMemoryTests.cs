using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Backup.Taking;

namespace DmEra.Tests.Backup.Taking;

/// <summary>Repositories that are put back as a whole, which look sound by themselves.</summary>
public sealed class BackupMemoryTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly MemoryStore _store = new();
    private readonly ModelSource _source = new(40 * 128, lineage: Guid.NewGuid());
    private readonly Random _random = new(1);

    public BackupMemoryTests()
    {
        _source.MetadataPath = _folder["disk.era"];
        Repository.Create(_store, null).Dispose();
    }

    [Theory, InlineData(BackupKind.Incremental), InlineData(BackupKind.Full)]
    public void An_older_state_of_a_repository_is_noticed_by_the_next_backup(BackupKind kind)
    {
        Take(_store);
        Dictionary<string, byte[]> copy = _store.Content;
        Take(_store);
        MemoryStore older = new(copy);

        BackupReport report = TakeAndReport(older, kind);

        Assert.Equal(2u, report.Image.Number);
        Assert.Contains(report.Remarks, remark => remark.Contains("image 2, taken of this device on ", StringComparison.Ordinal)
            && remark.Contains("is gone", StringComparison.Ordinal));
        // And now it is the other one that went another way.
        RepositoryException refusal = Assert.Throws<RepositoryException>(() => Take(_store));
        Assert.Contains("--accept-older", refusal.Message, StringComparison.Ordinal);
        using Repository repository = Repository.Open(_store, null);
        repository.AcceptsOlderState = true;
        Assert.Equal(3u, repository.Backup(_source).Number);
    }

    [Fact]
    public void An_image_of_the_same_number_is_not_the_same_image()
    {
        Take(_store);
        Dictionary<string, byte[]> copy = _store.Content;
        Take(_store);
        MemoryStore other = new(copy);
        using Repository repository = Repository.Open(other, null);
        _source.MetadataPath = null;
        repository.Backup(_source);
        _source.MetadataPath = _folder["disk.era"];

        Assert.Contains("is another one now", Assert.Throws<RepositoryException>(() => Take(other)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pruned_images_and_other_repositories_are_no_older_state()
    {
        for (int i = 0; i < 3; i++) Take(_store);
        using (Repository repository = Repository.Open(_store, null)) repository.Prune(last: 1);
        MemoryStore second = new();
        Repository.Create(second, null).Dispose();

        Assert.Equal(1u, Take(second).Number);
        Assert.Equal(4u, Take(_store).Number);
        Assert.Equal(2u, Take(second).Number);
    }

    [Fact]
    public void An_image_is_taken_though_nothing_can_be_remembered_and_that_is_said()
    {
        _source.MetadataPath = _folder["nowhere/disk.era"];
        using Repository repository = Repository.Open(_store, null);

        BackupReport report = BackupRun.Take(
            repository, _source, BackupKind.Incremental, null, null, CancellationToken.None);

        Assert.Equal(1u, report.Image.Number);
        Assert.Contains("nothing can be written beside it", Assert.Single(report.Remarks, remark => remark.Contains("beside", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["nowhere"]));
    }

    [Fact]
    public void A_memory_that_is_damaged_is_named_and_begun_anew()
    {
        Take(_store);
        File.WriteAllText(_folder["disk.era.backups"], "no JSON");
        using Repository repository = Repository.Open(_store, null);

        BackupReport report = BackupRun.Take(
            repository, _source, BackupKind.Incremental, null, null, CancellationToken.None);

        Assert.Contains(report.Remarks, remark => remark.StartsWith(_folder["disk.era.backups"], StringComparison.Ordinal));
        Assert.Contains("\"number\": 2", File.ReadAllText(_folder["disk.era.backups"]), StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private ImageManifest Take(MemoryStore store) => TakeAndReport(store, BackupKind.Incremental).Image;

    private BackupReport TakeAndReport(MemoryStore store, BackupKind kind)
    {
        _source.CurrentEra++;
        _source.Write(_random.Next(40), _random);
        using Repository repository = Repository.Open(store, null);
        return BackupRun.Take(repository, _source, kind, null, null, CancellationToken.None);
    }
}
