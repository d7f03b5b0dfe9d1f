using System.Text;
using DmEra.Backup.Images;
using DmEra.Backup.Stores;

namespace DmEra.Tests.Backup.Images;

public sealed class RepositoryTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly MemoryStore _store = new();

    [Fact]
    public void The_wrong_key_opens_nothing_and_says_so()
    {
        RepositorySecret key = KeyFile("key", 1);
        Repository.Create(_store, key);

        AssertRefused("this is not its key file", KeyFile("other", 2));
        AssertRefused("give the key file", null);
        AssertRefused("kept under a key file", RepositorySecret.FromPassphrase("x"));
        Repository.Open(_store, key).Dispose();
    }

    [Fact]
    public void The_wrong_passphrase_opens_nothing_and_says_so()
    {
        Repository.Create(_store, RepositorySecret.FromPassphrase("correct horse"));

        AssertRefused("this is not its passphrase", RepositorySecret.FromPassphrase("Correct horse"));
        Repository.Open(_store, RepositorySecret.FromPassphrase("correct horse")).Dispose();
    }

    [Fact]
    public void A_key_for_a_repository_that_is_not_encrypted_is_a_mistake()
    {
        Repository.Create(_store, null);

        AssertRefused("not encrypted", KeyFile("key", 1));
    }

    [Fact]
    public void A_short_key_file_is_refused_with_the_way_to_make_one()
    {
        File.WriteAllText(_folder["short"], "hunter2");

        RepositoryException refusal = Assert.Throws<RepositoryException>(() => RepositorySecret.FromKeyFile(_folder["short"]));

        Assert.Contains("/dev/urandom", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_place_that_holds_something_else_does_not_become_a_repository()
    {
        _store.Put("holiday.jpg", new byte[10]);

        RepositoryException refusal = Assert.Throws<RepositoryException>(() => Repository.Create(_store, null));

        Assert.Contains("holiday.jpg", refusal.Message, StringComparison.Ordinal);
        AssertRefused("no repository", null);
    }

    [Fact]
    public void Of_two_that_make_a_repository_at_once_one_is_refused_and_the_other_keeps_its_key()
    {
        MemoryStore store = new();
        RepositorySecret first = RepositorySecret.FromPassphrase("first");
        store.Before = (verb, name) =>
        {
            if (verb is not "put" || name is not RepositoryConfiguration.Name) return;
            store.Before = null;
            RepositoryException refusal = Assert.Throws<RepositoryException>(
                () => Repository.Create(store, RepositorySecret.FromPassphrase("second")));
            Assert.Contains("in use by 'era backup'", refusal.Message, StringComparison.Ordinal);
        };

        Repository.Create(store, first);

        Assert.Null(store.Before);
        Repository.Open(store, first);
    }

    [Theory]
    [InlineData("\"salt\": \"", "\"salt\": \"zz")]
    [InlineData("\"masterKey\": \"", "\"masterKey\": \"00")]
    [InlineData("\"iterations\": ", "\"iterations\": 999")]
    public void A_configuration_that_makes_no_sense_is_damaged_though_its_checksum_fits(string found, string replacement)
    {
        MemoryStore store = new();
        RepositorySecret secret = RepositorySecret.FromPassphrase("open sesame");
        Repository.Create(store, secret);
        string body = System.Text.Encoding.UTF8.GetString(
            SealedDocument.Open(RepositoryConfiguration.Name, store.Content[RepositoryConfiguration.Name], key: null));
        string changed = body.Replace(found, replacement, StringComparison.Ordinal);
        Assert.NotEqual(body, changed);
        store.Put(RepositoryConfiguration.Name, SealedDocument.Seal(
            RepositoryConfiguration.Name, System.Text.Encoding.UTF8.GetBytes(changed), key: null));

        Assert.Throws<ObjectDamagedException>(() => Repository.Open(store, secret));
    }

    [Fact]
    public void Documents_are_readable_where_nothing_is_encrypted_and_not_where_it_is()
    {
        foreach (RepositorySecret? secret in (RepositorySecret?[])[null, KeyFile("key", 1)])
        {
            MemoryStore store = new();
            ModelSource source = new(128 * 10);
            source.Write(1, new Random(1));
            Repository.Create(store, secret).Backup(source);
            string document = Encoding.UTF8.GetString(store.Content[Repository.NameOf(1)]);

            Assert.Equal(secret is null, document.Contains("\"sizeSectors\": 1280", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Images_are_found_by_number_and_label()
    {
        Repository repository = Repository.Create(_store, null);
        ModelSource source = new(128 * 10);
        repository.Backup(source);
        repository.Backup(source);

        Assert.Equal(2u, repository.FindImage(null).Number);
        Assert.Equal(1u, repository.FindImage("1").Number);
        Assert.Throws<RepositoryException>(() => repository.FindImage("3"));
        Assert.Throws<RepositoryException>(() => repository.FindImage("before upgrade"));
    }

    [Fact]
    public void An_image_in_which_nothing_changed_costs_a_document()
    {
        Repository repository = Repository.Create(_store, null);
        ModelSource source = new(128 * 10);
        source.Write(1, new Random(1));
        ImageManifest first = repository.Backup(source);
        int objects = _store.Content.Count;
        source.CurrentEra++;

        ImageManifest second = repository.Backup(source);

        Assert.Equal(objects + 1, _store.Content.Count);
        Assert.Equal(first.Map, second.Map);
        Assert.Equal(0, second.Cost.BytesStored);
    }

    public void Dispose() => _folder.Dispose();

    private void AssertRefused(string because, RepositorySecret? secret)
    {
        RepositoryException refusal = Assert.Throws<RepositoryException>(() => Repository.Open(_store, secret));
        Assert.Contains(because, refusal.Message, StringComparison.Ordinal);
    }

    private RepositorySecret KeyFile(string name, byte fill)
    {
        File.WriteAllBytes(_folder[name], [.. Enumerable.Repeat(fill, 32)]);
        return RepositorySecret.FromKeyFile(_folder[name]);
    }
}
