using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.SpaceMaps;

/// <summary>Devices that are full, grow, or cannot.</summary>
public sealed class SpaceMapGrowthTests : SpaceMapTest
{
    private const ulong LimitOfTheFormat = 4_161_600;

    [Fact]
    public void Full_file_is_extended_by_a_megabyte_or_a_quarter()
    {
        Device.Capacity = 100_000;
        foreach (ulong expected in new ulong[] { 64 + 256, 64 + 512, 64 + 768, 64 + 1024, 64 + 1024 + 272 })
        {
            while (Map.BlockCount < expected) Map.Allocate();
            Commit();
            Assert.Equal(expected, Map.BlockCount);
            Assert.Equal(expected, Device.BlockCount);
        }
    }

    [Fact]
    public void Growth_over_several_bitmaps_is_committed()
    {
        Device.Capacity = 60_000;
        Map.EnsureFree(40_000);
        ulong[] some = [.. Enumerable.Range(0, 35_000).Select(_ => Map.Allocate())];
        Commit();
        Reopen();

        Assert.True(Map.BlockCount > 40_000);
        Assert.Equal((Map.BlockCount + 16319) / 16320, (ulong)new DecodedSpaceMap(Device).Index.Count);
        Assert.All(some, block => Assert.Equal(1u, Map.Count(block)));
    }

    [Fact]
    public void Growth_is_given_up_with_the_transaction_but_the_file_stays_longer()
    {
        Device.Capacity = 1000;
        Map.EnsureFree(100);
        Store.Reload();
        Assert.Equal(64ul, Map.BlockCount);
        Map.EnsureFree(100);
        Assert.Equal(320ul, Map.BlockCount);
        Assert.Equal([320], Device.Extensions);
    }

    [Fact]
    public void BlockDevice_that_became_longer_is_used_up_to_its_end()
    {
        Device.BlockCount = 20_000;
        Reopen();
        Assert.Equal(64ul, Map.BlockCount);
        Assert.Equal(19_000, Enumerable.Range(0, 19_000).Select(_ => Map.Allocate()).Distinct().Count());
        Commit();
        Assert.Equal(20_000ul, new DecodedSpaceMap(Device).NrBlocks);
    }

    [Fact]
    public void Device_that_becomes_longer_while_in_use_is_used_when_it_is_full()
    {
        AllocateAll();
        Device.LengthWhenLookedAtAgain = 100;
        Map.Allocate();
        Assert.Equal(100ul, Map.BlockCount);
        Commit();
    }

    [Fact]
    public void FullDevice_of_fixed_size_says_so()
    {
        MetadataFullException fault = Assert.Throws<MetadataFullException>(() => Map.EnsureFree(64));
        Assert.Equal("the metadata device of 64 blocks is full, and the device has a fixed size", fault.Message);
    }

    [Theory, InlineData(Errno.ENOSPC), InlineData(Errno.EDQUOT), InlineData(Errno.EFBIG)]
    public void Full_file_system_makes_the_metadata_full(int errno)
    {
        Device.CapacityErrno = errno;
        MetadataFullException fault = Assert.Throws<MetadataFullException>(() => Map.EnsureFree(64));
        Assert.Equal(errno, Assert.IsType<DeviceException>(fault.InnerException).Errno);
    }

    [Fact]
    public void Device_that_fails_while_it_grows_is_not_full()
    {
        Device.CapacityErrno = Errno.EIO;
        Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => Map.EnsureFree(64)).Errno);
    }

    [Fact]
    public void Ensured_blocks_can_be_allocated_and_committed()
    {
        ulong free = Map.FreeBlocks;
        Map.EnsureFree(free);
        for (ulong i = 0; i < free; i++) Map.Allocate();
        Assert.Throws<MetadataFullException>(() => Map.EnsureFree(1));
        Commit();
    }

    [Fact]
    public void Map_never_grows_beyond_the_limit_of_the_format()
    {
        Device.BlockCount = LimitOfTheFormat + 1000;
        Device.Capacity = 2 * LimitOfTheFormat;
        Store = Create();
        Assert.Equal(LimitOfTheFormat, Map.BlockCount);
        Assert.Equal(255, new DecodedSpaceMap(Device).Index.Count);

        MetadataFullException fault = Assert.Throws<MetadataFullException>(() => Map.EnsureFree(LimitOfTheFormat));
        Assert.EndsWith("and the format has no room for more", fault.Message, StringComparison.Ordinal);
        Assert.Empty(Device.Extensions);

        Reopen();
        Assert.Equal(LimitOfTheFormat, Map.BlockCount);
    }

    [Fact]
    public void Last_growth_goes_up_to_the_limit_of_the_format()
    {
        Device.BlockCount = LimitOfTheFormat - 10;
        Device.Capacity = 2 * LimitOfTheFormat;
        Store = Create();
        Map.EnsureFree(Map.FreeBlocks + 1);
        Assert.Equal(LimitOfTheFormat, Map.BlockCount);
        Assert.Equal(LimitOfTheFormat, Device.BlockCount);
    }

    [Fact]
    public void Empty_file_is_given_room_for_metadata()
    {
        Device.BlockCount = 0;
        Device.Capacity = 1000;
        Store = Create();
        Assert.Equal(256ul, Map.BlockCount);
    }

    [Theory, InlineData(0), InlineData(1), InlineData(4)]
    public void Device_too_small_for_a_space_map_is_full(ulong blockCount)
    {
        Device.BlockCount = blockCount;
        Assert.Throws<MetadataFullException>(Create);
    }
}
