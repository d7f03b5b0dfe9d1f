using DmEra.PersistentData.Blocks;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Metadata;

/// <summary>How much room is kept back on metadata that cannot grow. More would refuse writes for nothing; less would be a
/// dead end.</summary>
public class RoomKeptTests
{
    private const uint BlocksOfAnIndexLeaf = 252 * 1018;        // era array blocks that need a single index node
    private const uint BitsOfAnIndexLeaf = 252 * 32_576;

    // Origin blocks, writesets not yet digested; metadata blocks kept.
    public static TheoryData<uint, int, ulong> Kept => new()
    {
        { 1, 0, 15 },
        { 32_577, 0, 16 },
        { 1, 200, 15 },
        { 1, 201, 24 },     // digestion: removing a writeset from a tree of two levels
        { BlocksOfAnIndexLeaf + 1, 201, 40 },      // large counts: one for each writeset, and those that the snapshot makes so
        { BitsOfAnIndexLeaf, 0, 24 },
        { BitsOfAnIndexLeaf + 1, 0, 24 },
    };

    public static TheoryData<uint, int, ulong> ToDigest => new()
    {
        { 1, 0, 10 },
        { 1, 200, 10 },
        { 1, 201, 24 },
        { BlocksOfAnIndexLeaf, 0, 16 },
        { BlocksOfAnIndexLeaf + 1, 0, 18 },
    };

    [Theory, MemberData(nameof(Kept))]
    public void What_is_kept_suffices_to_end_an_era_and_begin_another_and_drop_the_snapshot(uint blocks, int writesets, ulong kept)
    {
        EraMetadata metadata = SmallestWith(blocks, writesets, metadata => metadata.FreeBlocks >= metadata.KeptRoom);
        Assert.Equal(kept, metadata.FreeBlocks);

        metadata.Mark(0, 1);
        metadata.Commit();
        metadata.Archive();
        metadata.Commit();
        metadata.RollOver();
        metadata.Commit();
        metadata.DropSnapshot(metadata.ReadSnapshot());
        metadata.Commit();
    }

    [Theory, MemberData(nameof(ToDigest))]
    public void What_digestion_asks_for_suffices_for_a_block_of_the_era_array_and_the_end_of_the_era(
        uint blocks, int writesets, ulong asked)
    {
        EraMetadata metadata = SmallestWith(blocks, writesets, metadata => metadata.HasRoomToDigest);
        Assert.Equal(asked, metadata.FreeBlocks);

        metadata.Mark(0, 1);
        metadata.DigestStep();
        metadata.Commit();
        metadata.Archive();
        metadata.Commit();
    }

    [Theory]
    [InlineData(150, 24)]   // the tree of writesets had two levels, and still has
    [InlineData(299, 15)]
    public void What_is_kept_goes_by_the_levels_of_a_tree_and_not_by_its_entries(int digested, ulong kept)
    {
        EraMetadata metadata = WithWritesets(1000, 1, 300);
        for (int steps = 0; steps < 2 * digested; steps++) metadata.DigestStep();   // a block of bits each, and its removal

        Assert.Equal(kept, metadata.KeptRoom);
    }

    [Theory]
    [InlineData(1, 24)]
    [InlineData(2, 26)]
    [InlineData(3, 28)]
    public void What_is_kept_goes_by_the_levels_of_the_index_however_few_its_entries(int levels, ulong kept)
    {
        const int MetadataBlocks = 1000;
        ProbeDevice device = new(MetadataBlocks * BlockManager.BlockSize);
        WithWritesets(device, 1, 201);
        byte[] image = device.ToArray();
        for (int level = 1; level < levels; level++) image = MetadataImage.WithNodeOverEraArray(image, MetadataBlocks - level);

        EraMetadata metadata = EraMetadata.OpenOrFormat(new ProbeDevice(image), 64, TestEra.BlockSectors, Guid.Empty);
        Assert.Equal(kept, metadata.KeptRoom);
    }

    // Metadata of the fewest blocks on which there is room, with a snapshot.
    private static EraMetadata SmallestWith(uint blocks, int writesets, Predicate<EraMetadata> hasRoom)
    {
        int tooFew = 0, enough = 64;
        while (Make(enough) is null) (tooFew, enough) = (enough, 2 * enough);
        while (enough - tooFew > 1)
        {
            int middle = (tooFew + enough) / 2;
            if (Make(middle) is null) tooFew = middle;
            else enough = middle;
        }

        return Make(enough)!;

        EraMetadata? Make(int metadataBlocks)
        {
            try
            {
                EraMetadata metadata = WithWritesets(metadataBlocks, blocks, writesets);
                return hasRoom(metadata) ? metadata : null;
            }
            catch (MetadataFullException)
            {
                return null;
            }
        }
    }

    private static EraMetadata WithWritesets(int metadataBlocks, uint blocks, int writesets) =>
        WithWritesets(new ProbeDevice(metadataBlocks * BlockManager.BlockSize), blocks, writesets);

    private static EraMetadata WithWritesets(ProbeDevice device, uint blocks, int writesets)
    {
        EraMetadata metadata = EraMetadata.OpenOrFormat(device, 64, TestEra.BlockSectors, Guid.Empty);
        metadata.Resize(blocks);
        for (int i = 0; i <= writesets; i++) metadata.RollOver();
        metadata.Commit();
        metadata.TakeSnapshot();
        metadata.Commit();
        return metadata;
    }
}
