using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Backup.Upkeep;

namespace DmEra.Tests.Backup;

/// <summary>Whatever changes in a repository: verify finds it, and it is never restored silently.</summary>
public sealed class DamageTests
{
    private const int Blocks = 40;
    private static readonly RepositorySecret Secret = KeyFileSecret();

    private readonly Dictionary<uint, SparseDevice> _taken = [];

    public static TheoryData<int, bool, VerifyDepth> FlippedBits
    {
        get
        {
            TheoryData<int, bool, VerifyDepth> data = [];
            foreach (int seed in Seeds.For(10))
            {
                foreach (VerifyDepth depth in Enum.GetValues<VerifyDepth>())
                {
                    data.Add(seed, false, depth);
                    data.Add(seed, true, depth);
                }
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(FlippedBits))]
    public void A_flipped_bit_anywhere_is_found_and_never_restored(int seed, bool encrypted, VerifyDepth depth)
    {
        Random random = new(seed);
        RepositorySecret? secret = encrypted ? Secret : null;
        Dictionary<string, byte[]> sound = MakeRepository(secret);
        foreach (string name in sound.Keys.Order(StringComparer.Ordinal))
        {
            byte[] flipped = [.. sound[name]];
            int bit = random.Next(flipped.Length * 8);
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            MemoryStore store = new(new Dictionary<string, byte[]>(sound, StringComparer.Ordinal) { [name] = flipped });
            string what = $"bit {bit} of {name}";

            Repository repository;
            try { repository = Repository.Open(store, secret); }
            catch (RepositoryException) when (name is RepositoryConfiguration.Name) { continue; }
            catch (Exception fault) { throw new InvalidOperationException(what, fault); }

            IReadOnlyList<RepositoryDamage> damage = repository.Verify(depth);
            Assert.True(damage.Any(found => found.Name == name), what);
            IEnumerable<uint> suspects = damage.SelectMany(found => found.Images);
            foreach ((uint number, SparseDevice then) in _taken)
            {
                try
                {
                    Assert.True(repository.Restore(repository.ReadImage(number)).FirstDifference(then) == -1, what);
                    Assert.False(suspects.Contains(number), $"{what}: image {number} is sound");
                }
                catch (RepositoryException)
                {
                    Assert.True(suspects.Contains(number), $"{what}: image {number} is damaged, and nobody said so");
                }
            }
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_missing_object_is_found_and_so_is_one_that_took_its_place(bool encrypted)
    {
        RepositorySecret? secret = encrypted ? Secret : null;
        Dictionary<string, byte[]> sound = MakeRepository(secret);
        foreach (string name in sound.Keys.Where(name => name.StartsWith("packs/", StringComparison.Ordinal)))
        {
            Dictionary<string, byte[]> without = new(sound, StringComparer.Ordinal);
            without.Remove(name);
            IReadOnlyList<RepositoryDamage> damage = Repository.Open(new MemoryStore(without), secret).Verify();
            Assert.Contains(damage, found => found.Name == name && found.Cause == "it is missing" && found.Images.Count > 0);

            foreach (string other in sound.Keys.Where(other => other != name && other.StartsWith("packs/", StringComparison.Ordinal)))
            {
                without[name] = sound[other];
                damage = Repository.Open(new MemoryStore(without), secret).Verify();
                Assert.Contains(damage, found => found.Name == name && found.Images.Count > 0);
            }
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public void The_document_of_one_image_does_not_pass_for_that_of_another(bool encrypted)
    {
        RepositorySecret? secret = encrypted ? Secret : null;
        Dictionary<string, byte[]> content = MakeRepository(secret);
        content[Repository.NameOf(2)] = content[Repository.NameOf(1)];
        Repository repository = Repository.Open(new MemoryStore(content), secret);

        Assert.Throws<ObjectDamagedException>(() => repository.ReadImage(2));
        Assert.Contains(repository.Verify(), found => found.Name == Repository.NameOf(2));
    }

    [Fact]
    public void An_object_that_does_not_belong_there_is_named()
    {
        Dictionary<string, byte[]> content = MakeRepository(null);
        content["images/notes.txt"] = [1];
        content["packs/000001/x"] = [2];

        IReadOnlyList<RepositoryDamage> damage = Repository.Open(new MemoryStore(content), null).Verify();

        Assert.Equal(["images/notes.txt", "packs/000001/x"], damage.Select(found => found.Name));
        Assert.All(damage, found => Assert.Empty(found.Images));
    }

    [Fact]
    public void What_a_backup_removes_while_it_is_looked_for_is_no_damage()
    {
        Dictionary<string, byte[]> content = MakeRepository(null);
        string leftOver = content.Keys.First(name => name.StartsWith("packs/", StringComparison.Ordinal))
            .Replace("packs/000001", "packs/000009", StringComparison.Ordinal);
        content[leftOver] = [1];
        MemoryStore store = new(content);
        store.Before = (verb, name) =>
        {
            if (verb is "read" && name == leftOver) store.Delete(leftOver);
        };

        Assert.Empty(Repository.Open(store, null).Verify());

        Assert.DoesNotContain(leftOver, store.Content.Keys);
    }

    [Fact]
    public void A_prune_does_not_touch_anything_when_what_it_would_keep_is_damaged()
    {
        Dictionary<string, byte[]> content = MakeRepository(null);
        string map = Repository.Open(new MemoryStore(content), null).ReadImage(3).Map.Split('#')[0];
        content[map][^1] ^= 1;
        MemoryStore store = new(content);

        Assert.Throws<ObjectDamagedException>(() => Repository.Open(store, null).Prune(last: 1));

        Assert.Equal(content.Keys.Order(StringComparer.Ordinal), store.Content.Keys.Order(StringComparer.Ordinal));
    }

    private Dictionary<string, byte[]> MakeRepository(RepositorySecret? secret)
    {
        ModelSource source = new(Blocks * 128, lineage: Guid.NewGuid());
        MemoryStore store = new();
        Repository repository = Repository.Create(store, secret);
        Random random = new(5);
        byte[] text = new byte[65536];
        for (int image = 0; image < 3; image++)
        {
            for (int block = image; block < Blocks; block += 3 + (image * 5))
            {
                random.NextBytes(text.AsSpan(0, 3000));
                source.Write(block, text);
            }

            _taken[repository.Backup(source).Number] = source.Disk.Copy();
            source.CurrentEra++;
        }

        return store.Content;
    }

    private static RepositorySecret KeyFileSecret()
    {
        using TempFolder folder = new();
        File.WriteAllBytes(folder["key"], Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());
        return RepositorySecret.FromKeyFile(folder["key"]);
    }
}
