using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>A space map of its own for every test, on a device of 64 blocks.</summary>
public abstract class SpaceMapTest : IDisposable
{
    private protected SpaceMapTest() => Store = Create();

    private protected RecordingDevice Device { get; } = new(64);

    private protected MetadataStore Store { get; set; }

    private protected MetadataSpaceMap Map => Store.SpaceMap;

    public void Dispose()
    {
        Device.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected List<ulong> AllocateAll()
    {
        List<ulong> all = [];
        while (Map.FreeBlocks > 0) all.Add(Map.Allocate());
        return all;
    }

    private protected MetadataStore Create()
    {
        MetadataStore store = MetadataStore.Create(new BlockManager(Device), TestSuperblock.Format);
        store.Commit(TestSuperblock.Numbered(1));
        return store;
    }

    /// <summary>Commits; the counts on disk are decoded, and no block of the state before may have been written.</summary>
    private protected void Commit()
    {
        IEnumerable<ulong> usedBefore = new DecodedSpaceMap(Device).UsedBlocks;
        Device.Operations.Clear();
        Store.Commit(TestSuperblock.Numbered(2));
        Assert.Equal([0], Device.Operations.SelectMany(operation => operation.Blocks).Intersect(usedBefore));
        _ = new DecodedSpaceMap(Device);
    }

    private protected void Reopen() => Store = MetadataStore.Open(new BlockManager(Device), TestSuperblock.Format);
}
