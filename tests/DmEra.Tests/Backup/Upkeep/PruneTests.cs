using DmEra.Backup.Images;
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
}
