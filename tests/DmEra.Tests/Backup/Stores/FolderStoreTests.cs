using DmEra.Backup.Stores;
using DmEra.Devices;

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

    [Fact]
    public void Of_two_that_create_an_object_one_does()
    {
        Assert.True(_store.TryCreate("a/b", new byte[] { 1 }));
        Assert.False(_store.TryCreate("a/b", new byte[] { 2 }));

        byte[] content = new byte[1];
        _store.Read("a/b", 0, content);
        Assert.Equal([1], content);
        Assert.Empty(Directory.GetFiles(_folder["repository/tmp"]));
    }

    [Fact]
    public void An_object_that_has_its_name_from_this_very_program_is_no_other_ones()
    {
        // As on a network's file system that makes a link a second time, since the reply was lost.
        File.WriteAllText(_folder["temporary"], "content");
        Oracle.Run("ln", _folder["temporary"], _folder["final"]).AssertSuccess();
        using FolderHandle folder = FolderHandle.Open(_folder.Path);

        Assert.True(folder.TryRename("temporary", folder, "final"));

        Assert.False(File.Exists(_folder["temporary"]));
        File.WriteAllText(_folder["temporary"], "other");
        Assert.False(folder.TryRename("temporary", folder, "final"));
        Assert.Equal("content", File.ReadAllText(_folder["final"]));
    }

    [Fact]
    public void A_link_is_neither_listed_nor_followed_nor_deleted_through()
    {
        Directory.CreateDirectory(_folder["victim/sub"]);
        File.WriteAllText(_folder["victim/thesis"], "precious");
        _store.Put("a/b", new byte[] { 1 });
        Directory.CreateSymbolicLink(_folder["repository/a/link"], _folder["victim"]);
        Directory.CreateSymbolicLink(_folder["repository/a/loop"], ".");
        File.CreateSymbolicLink(_folder["repository/a/file"], _folder["victim/thesis"]);
        Directory.CreateSymbolicLink(_folder["repository/tmp/x"], _folder["victim"]);
        byte[] content = new byte[8];

        Assert.Equal(["a/b"], Names(""));
        Assert.Throws<ObjectDamagedException>(() => _store.Read("a/file", 0, content));
        Assert.Throws<ObjectDamagedException>(() => _store.Read("a/link/thesis", 0, content));
        Assert.Throws<RepositoryException>(() => _store.Put("a/link/new", content));
        Assert.Throws<RepositoryException>(() => _store.Delete("a/link/thesis"));
        _store.Delete("a/file");
        _store.RemoveUnfinished(DateTimeOffset.MaxValue);

        Assert.Equal("precious", File.ReadAllText(_folder["victim/thesis"]));
        Assert.False(File.Exists(_folder["victim/new"]));
        Assert.False(Path.Exists(_folder["repository/a/file"]));
    }

    [Fact]
    public void A_folder_that_is_a_link_is_refused_and_not_taken_for_an_empty_one()
    {
        Directory.CreateDirectory(_folder["elsewhere"]);
        Directory.CreateDirectory(_folder["repository"]);
        Directory.CreateSymbolicLink(_folder["repository/images"], _folder["elsewhere"]);

        RepositoryException fault = Assert.Throws<RepositoryException>(() => _store.List("images/").Count());

        Assert.Contains("cannot list images", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_that_is_swapped_in_again_and_again_leads_nowhere()
    {
        Directory.CreateDirectory(_folder["victim"]);
        File.WriteAllText(_folder["victim/x"], "precious");
        _store.Put("locks/x", new byte[] { 1 });
        string real = _folder["repository/locks"];
        string aside = _folder["repository/aside"];
        using CancellationTokenSource end = new();
        Thread attacker = new(() =>
        {
            while (!end.IsCancellationRequested)
            {
                Directory.Move(real, aside);
                File.CreateSymbolicLink(real, _folder["victim"]);
                File.Delete(real);
                Directory.Move(aside, real);
            }
        });
        attacker.Start();
        for (int i = 0; i < 2000; i++)
        {
            Record.Exception(() => _store.Delete(_store.List("locks/").Select(found => found.Name)));
            Record.Exception(() => _store.Put("locks/y", new byte[] { 1 }));
        }

        end.Cancel();
        Assert.True(attacker.Join(TimeSpan.FromSeconds(60)));
        Assert.Equal(["x"], Directory.GetFiles(_folder["victim"]).Select(Path.GetFileName));
    }

    [Fact]
    public void A_pipe_in_the_place_of_an_object_is_not_waited_for()
    {
        _store.Put("a/b", new byte[] { 1 });
        Oracle.Run("mkfifo", _folder["repository/a/pipe"]).AssertSuccess();

        Assert.Throws<ObjectDamagedException>(() => _store.Read("a/pipe", 0, new byte[1]));
        Assert.Equal(["a/b"], Names(""));
    }

    [Theory, InlineData("lost+found"), InlineData("@eaDir"), InlineData(".snapshot"), InlineData(".nfs0000000012345678"), InlineData("Thumbs.db")]
    public void What_file_systems_and_desktops_put_there_is_no_object(string name)
    {
        _store.Put("a/b", new byte[] { 1 });
        foreach (string folder in (string[])["repository", "repository/a", "repository/tmp"])
        {
            Directory.CreateDirectory(Path.Combine(_folder[folder], name));
            File.WriteAllText(Path.Combine(_folder[folder], name, "x"), "foreign");
            File.WriteAllText(Path.Combine(_folder[folder], ".DS_Store"), "foreign");
        }

        Assert.Equal(["a/b"], Names(""));
        _store.RemoveUnfinished(DateTimeOffset.MaxValue);
        Assert.Equal(6, Directory.GetFiles(_folder["repository"], "*", SearchOption.AllDirectories).Count(file => !file.EndsWith("/a/b", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_is_made_is_for_its_owner_alone()
    {
        _store.Put("a/b", new byte[] { 1 });

        AssertModes(UnixFileMode.None);
    }

    [Fact]
    public void A_folder_that_was_given_to_a_group_is_for_the_group_and_no_other_is()
    {
        const UnixFileMode group = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;
        Directory.CreateDirectory(_folder["repository"]);
        File.SetUnixFileMode(_folder["repository"], (UnixFileMode)0b111_000_000 | group);
        _store.Put("a/b", new byte[] { 1 });
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(_folder["repository/a/b"]) & group);
        _store.Delete("a/b");
        Directory.Delete(_folder["repository"], recursive: true);

        Directory.CreateDirectory(_folder["repository"]);
        File.SetUnixFileMode(_folder["repository"], (UnixFileMode)0b111_000_000 | group | UnixFileMode.SetGroup);
        using FolderStore store = new(_folder["repository"]);
        store.Put("a/b", new byte[] { 1 });

        AssertModes(group | UnixFileMode.SetGroup);
    }

    [Fact]
    public void What_killed_programs_have_left_is_removed_once_it_is_old()
    {
        _store.Put("a/b", new byte[] { 1 });
        File.WriteAllText(_folder["repository/tmp/1-x-1"], "half");
        DateTimeOffset written = new(File.GetLastWriteTimeUtc(_folder["repository/tmp/1-x-1"]));

        _store.RemoveUnfinished(written.AddSeconds(-1));
        Assert.True(File.Exists(_folder["repository/tmp/1-x-1"]));
        _store.RemoveUnfinished(written.AddSeconds(1));
        Assert.False(File.Exists(_folder["repository/tmp/1-x-1"]));
    }

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    private void AssertModes(UnixFileMode group)
    {
        const UnixFileMode owner = (UnixFileMode)0b111_000_000;
        foreach (string folder in (string[])["repository", "repository/a", "repository/tmp"])
            Assert.Equal(owner | group, File.GetUnixFileMode(_folder[folder]));
        Assert.Equal((owner | group) & ~(UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.SetGroup), File.GetUnixFileMode(_folder["repository/a/b"]));
    }

    private IEnumerable<string> Names(string prefix) =>
        _store.List(prefix).Select(found => found.Name).Order(StringComparer.Ordinal);
}
