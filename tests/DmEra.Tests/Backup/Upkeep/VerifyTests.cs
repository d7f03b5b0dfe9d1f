using DmEra.Backup.Images;
using DmEra.Backup.Packs;

namespace DmEra.Tests.Backup.Upkeep;

public sealed class VerifyTests
{
    [Fact]
    public void An_image_that_is_made_meanwhile_is_no_damage()
    {
        MemoryStore store = new();
        ModelSource source = new(60 * 128, lineage: Guid.NewGuid());
        source.Write(3, new Random(1));
        Repository repository = TestRepository.New(store);
        repository.Backup(source);
        source.CurrentEra++;
        source.Write(4, new Random(2));
        int reads = 0;
        store.Before = (verb, name) =>
        {
            if (verb is "read" && name.StartsWith(PackName.Prefix, StringComparison.Ordinal) && Interlocked.Increment(ref reads) == 1)
                Repository.Open(store, null).Backup(source);
        };

        Assert.Empty(repository.Verify());

        Assert.Equal([1u, 2u], repository.ImageNumbers());
    }
}
