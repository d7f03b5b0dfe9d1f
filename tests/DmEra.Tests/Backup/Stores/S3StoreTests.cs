using DmEra.Backup.Images;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Devices.Threads;

namespace DmEra.Tests.Backup.Stores;

public sealed class S3StoreTests : IDisposable
{
    private readonly S3Server _server = new();

    [Fact]
    public void Objects_are_written_read_listed_and_deleted()
    {
        using IObjectStore store = Open("one");
        using IObjectStore other = Open("other");
        other.Put("a/z", new byte[] { 9 });
        store.Put("a/b/c", new byte[] { 1, 2, 3, 4 });
        store.Put("a/d", new byte[] { 5 });
        store.Put("a/d", new byte[] { 6, 7 });
        byte[] part = new byte[10];

        Assert.Equal(2, store.Read("a/b/c", 2, part));
        Assert.Equal([3, 4], part[..2]);
        Assert.Equal(0, store.Read("a/d", 7, part));
        Assert.Equal(["a/b/c", "a/d"], Names(store, "a/"));
        Assert.Equal(["a/b/c"], Names(store, "a/b"));
        Assert.Equal(2, store.List("a/d").Single().Length);

        store.Delete("a/d");
        store.Delete("a/d");

        Assert.Equal(["a/b/c"], Names(store, ""));
        Assert.Throws<ObjectMissingException>(() => store.Read("a/d", 0, part));
    }

    [Fact]
    public void Lists_longer_than_a_page_are_whole()
    {
        using IObjectStore store = Open("many");
        string[] names = [.. Enumerable.Range(0, 1005).Select(i => $"x/{i:D4}")];
        ParallelWork<string>.Run(SystemThreads.Instance, names, 4, () => name => store.Put(name, new byte[1]), CancellationToken.None);

        Assert.Equal(names, Names(store, "x/"));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Images_come_back_from_a_bucket_as_they_were(bool encrypted)
    {
        RepositorySecret? secret = encrypted ? RepositorySecret.FromPassphrase("x") : null;
        using Repository repository = Repository.Create(Open("images"), secret);
        ModelSource source = new(4 * PackLimits.TargetLength / 512, lineage: Guid.NewGuid());
        Random random = new(1);
        for (int block = 0; block < source.Blocks; block += 2) source.Write(block, random);
        ImageManifest first = repository.Backup(source);
        SparseDevice then = source.Disk.Copy();
        source.CurrentEra++;
        for (int block = 0; block < source.Blocks; block += 5) source.Write(block, random);
        ImageManifest second = repository.Backup(source);

        using Repository again = Repository.Open(Open("images"), secret);
        Assert.Empty(again.Verify());
        Assert.Equal(-1, again.Restore(first).FirstDifference(then));
        Assert.Equal([2u], again.Prune(last: 1).Kept);
        Assert.Equal(-1, again.Restore(second).FirstDifference(source.Disk));
        Assert.Empty(again.Verify());
    }

    [Fact]
    public void A_server_that_comes_back_is_waited_for()
    {
        using Repository repository = Repository.Create(Open("comes-back"), null);
        ModelSource source = new(PackLimits.TargetLength / 512, lineage: Guid.NewGuid());
        for (int block = 0; block < source.Blocks; block++) source.Write(block, new Random(block));
        using Timer comesBack = new(_ => _server.Start());
        source.BeforePass = () =>
        {
            _server.Kill();
            comesBack.Change(1500, Timeout.Infinite);
        };

        ImageManifest image = repository.Backup(source);

        Assert.Equal(-1, repository.Restore(image).FirstDifference(source.Disk));
    }

    [Fact]
    public void A_server_that_stays_away_ends_the_backup_and_the_next_one_goes_on()
    {
        using S3Store store = new("s3", _server.Endpoint, "era", "away/", firstPauseMs: 2, CancellationToken.None);
        using Repository repository = Repository.Create(store, null);
        ModelSource source = new(4 * PackLimits.TargetLength / 512, lineage: Guid.NewGuid());
        for (int block = 0; block < source.Blocks; block++) source.Write(block, new Random(block));
        repository.Backup(source);
        source.CurrentEra++;
        source.Write(0, new Random(99));
        source.BeforePass = _server.Kill;

        RepositoryException fault = Assert.Throws<RepositoryException>(() => repository.Backup(source));

        Assert.Contains("attempts)", fault.Message, StringComparison.Ordinal);
        source.BeforePass = null;
        _server.Start();
        // This process would have ended, and its lock with it.
        foreach (StoredObject left in store.List("locks/")) store.Delete(left.Name);
        Assert.Equal(2u, repository.Backup(source).Number);
        Assert.Empty(repository.Verify());
    }

    [Fact]
    public void A_bucket_that_is_not_there_is_named()
    {
        using IObjectStore store = RepositoryAddress.Open(
            _server.AddressOf("x").Replace("/era/", "/nowhere/", StringComparison.Ordinal), CancellationToken.None);

        RepositoryException fault = Assert.Throws<RepositoryException>(() => store.Put("a", new byte[1]));

        Assert.Contains("bucket does not exist", fault.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _server.Dispose();

    private IObjectStore Open(string prefix) => RepositoryAddress.Open(_server.AddressOf(prefix), CancellationToken.None);

    private static IEnumerable<string> Names(IObjectStore store, string prefix) =>
        store.List(prefix).Select(found => found.Name).Order(StringComparer.Ordinal);
}
