using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;

namespace DmEra.Tests.PersistentData.SpaceMaps;

public sealed class CoreSpaceMapTests
{
    [Fact]
    public void Blocks_are_handed_out_in_order()
    {
        CoreSpaceMap map = new(3);
        Assert.Equal([0, 1, 2], new[] { map.Allocate(), map.Allocate(), map.Allocate() });
        Assert.Equal(0ul, map.FreeBlocks);
        Assert.Throws<MetadataFullException>(() => map.Allocate());
    }

    [Fact]
    public void Freed_block_is_found_again()
    {
        CoreSpaceMap map = new(3);
        for (int i = 0; i < 3; i++) map.Allocate();
        map.Dec(1);
        Assert.Equal(1ul, map.Allocate());
    }

    [Fact]
    public void Shared_block_is_free_after_its_last_pointer_is_gone()
    {
        CoreSpaceMap map = new(1);
        ulong block = map.Allocate();
        map.Inc(block);
        map.Dec(block);
        Assert.Equal(0ul, map.FreeBlocks);
        map.Dec(block);
        Assert.Equal(1ul, map.FreeBlocks);
    }

    [Fact]
    public void Count_never_falls_below_zero()
    {
        CoreSpaceMap map = new(1);
        Assert.Equal(0ul, Assert.Throws<MetadataCorruptException>(() => map.Dec(0)).Block);
        Assert.Equal(0u, map.Count(0));
    }

    [Fact]
    public void Block_past_the_end_is_corrupt()
    {
        CoreSpaceMap map = new(1);
        Assert.Throws<MetadataCorruptException>(() => map.Count(1));
        Assert.Throws<MetadataCorruptException>(() => map.Inc(ulong.MaxValue));
    }
}
