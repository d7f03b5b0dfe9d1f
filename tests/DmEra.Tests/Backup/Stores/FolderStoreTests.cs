using DmEra.Backup.Stores;

namespace DmEra.Tests.Backup.Stores;

public sealed class FolderStoreTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly FolderStore _store;

    public FolderStoreTests() => _store = new FolderStore(_folder["repository"]);

    [Fact]
    public void Objects_are_written_read_listed_and_deleted()
    {
        _store.Put("a/b/c", new byte[] { 1, 2, 3, 4 });
        _store.Put("a/d", new byte[] { 5 });
        byte[] part = new byte[10];

        Assert.Equal(2, _store.Read("a/b/c", 2, part));
        Assert.Equal([3, 4], part[..2]);
        Assert.Equal(0, _store.Read("a/d", 7, part));
        Assert.Equal(["a/b/c", "a/d"], Names("a/"));
        Assert.Equal(["a/b/c"], Names("a/b"));
        Assert.Equal(4, _store.List("a/b").Single().Length);

        _store.Delete("a/d");
        _store.Delete("a/d");
        _store.Delete("nowhere/x");

        Assert.Equal(["a/b/c"], Names(""));
        Assert.Throws<ObjectMissingException>(() => _store.Read("a/d", 0, part));
        Assert.Throws<ObjectMissingException>(() => _store.Read("nowhere/x", 0, part));
    }

    [Fact]
    public void A_folder_that_is_not_there_is_empty() => Assert.Empty(_store.List("a/"));

    [Fact]
    public void An_object_is_replaced_as_a_whole()
    {
        _store.Put("a", new byte[100]);
        _store.Put("a", new byte[] { 7 });

        Assert.Equal(1, _store.List("").Single().Length);
    }

    [Fact]
    public void What_cannot_be_written_is_named_and_leaves_nothing()
    {
        Directory.CreateDirectory(_folder["repository/a/b"]);

        RepositoryException fault = Assert.Throws<RepositoryException>(() => _store.Put("a", new byte[] { 1 }));

        Assert.StartsWith($"{_store.Address}: cannot write a: ", fault.Message, StringComparison.Ordinal);
        Assert.Empty(Names(""));
    }

    public void Dispose() => _folder.Dispose();

    private IEnumerable<string> Names(string prefix) =>
        _store.List(prefix).Select(found => found.Name).Order(StringComparer.Ordinal);
}
