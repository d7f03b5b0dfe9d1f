using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Metadata;
using DmEra.Tests.Golden;
using DmEra.Tests.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>Space maps as the kernel left them are opened, changed, and still whole afterwards.</summary>
public sealed class KernelMadeSpaceMapTests
{
    private static readonly SuperblockFormat Format =
        new(SuperblockValidator.Instance, TestSuperblock.SpaceMapRootOffset);

    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void Space_map_made_by_the_kernel_goes_on_to_count(string name)
    {
        using RecordingDevice device = RecordingDevice.With(GoldenImage.Load(name).Metadata);
        byte[] superblock = device[0];
        MetadataStore store = MetadataStore.Open(new BlockManager(device), Format);
        uint[] before = CountsOf(store);

        ulong[] added = [.. Enumerable.Range(0, 100).Select(_ => store.SpaceMap.Allocate())];
        Commit();
        foreach (ulong block in added) store.SpaceMap.Dec(block);
        Commit();

        DecodedSpaceMap onDisk = new(device, SuperblockValidator.Instance.Salt);
        Assert.Equal(CountsOf(store), onDisk.Counts);
        Assert.Equal(before.Count(count => count > 0), onDisk.UsedBlocks.Count());

        // Apart from the space map's own blocks, which moved, every count is what it was.
        Assert.InRange(before.Zip(onDisk.Counts).Count(pair => pair.First != pair.Second), 0, 2 * onDisk.OwnBlocks.Count);

        void Commit() => store.Commit(block => superblock.CopyTo(block));
    }

    private static uint[] CountsOf(MetadataStore store)
    {
        uint[] counts = new uint[store.SpaceMap.BlockCount];
        for (int block = 0; block < counts.Length; block++) counts[block] = store.SpaceMap.Count((ulong)block);
        return counts;
    }
}
