using DmEra.Tools.Check;
using static DmEra.Tests.Tools.Check.CheckedImage;

namespace DmEra.Tests.Tools.Check;

/// <summary>What the space map says is compared with what is in use.</summary>
public sealed class CountComparisonTests
{
    [Theory]
    [InlineData(SpaceMapIndex)]
    [InlineData(Bitmap)]
    [InlineData(OverflowRoot)]
    public void Damage_of_the_space_map_alone_leaves_the_lists_right(ulong block)
    {
        CheckReport report = Examine(KernelSnapshot().Flip(block, 9999));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal((FaultLevel.Damage, "space map"), (fault.Level, fault.Place));
        Assert.Equal(block, fault.Path[^1]);
        Assert.Null(fault.Blocks);
        Assert.True(report.IsTrustworthy);
        Assert.True(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void A_wrong_total_is_a_leak()
    {
        Fault fault = Assert.Single(Examine(KernelSnapshot().Set64(0, 52, 17)).Faults);

        Assert.Equal((FaultLevel.Leak, "space map"), (fault.Level, fault.Place));
        Assert.Equal("nr_allocated is 17, but 18 blocks have a count", fault.Cause);
    }

    [Theory]
    [InlineData(24, 1005, "nr_free of bitmap 104 is 1005, not 1006")]
    [InlineData(24, 0, "nr_free of bitmap 104 is 0, not 1006")]
    [InlineData(28, 4, "none_free_before of bitmap 104 is 4, but 1 is free")]
    public void Wrong_index_entries_are_leaks(int offset, uint value, string cause)
    {
        Fault fault = Assert.Single(Examine(KernelSnapshot().Set32(SpaceMapIndex, offset, value)).Faults);

        Assert.Equal((FaultLevel.Leak, cause), (fault.Level, fault.Cause));
        Assert.Equal([0, SpaceMapIndex], fault.Path);
    }

    [Fact]
    public void Free_entries_may_be_counted_against_the_end_of_the_device() =>
        Assert.Empty(Examine(KernelSnapshot().Set32(SpaceMapIndex, 24, 1024 - 18)).Faults);

    [Fact]
    public void A_count_that_is_too_high_is_a_leak()
    {
        ImageEditor image = KernelSnapshot();
        SetCount(image, EraBlock0, 2);
        SetCount(image, 200, 1);
        SetCount(image, 201, 1);
        SetCount(image, 203, 2);
        image.Set64(0, 52, 21).Set32(SpaceMapIndex, 24, 16320 - 21);

        CheckReport report = Examine(image);

        Assert.Equal(
            [
                $"block {EraBlock0} has a count of 2, but 1 pointer",
                "blocks 200 to 201 are counted as in use, but nothing points there",
                "block 203 is counted as in use, but nothing points there",
            ],
            report.Faults.Select(fault => fault.Cause));
        Assert.All(report.Faults, fault => Assert.Equal(FaultLevel.Leak, fault.Level));
        Assert.True(report.IsTrustworthy);
    }

    [Fact]
    public void Blocks_in_use_that_the_map_does_not_reach_are_damage()
    {
        const int NrBlocks = 44;
        CheckReport report = Examine(KernelSnapshot().Set64(0, NrBlocks, WritesetRoot));

        Assert.Contains(
            $"block {WritesetRoot} has 1 pointer, but a count of 0: it may have been overwritten",
            report.Faults.Where(fault => fault.Level == FaultLevel.Damage).Select(fault => fault.Cause));
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void A_count_that_is_too_low_is_damage_that_nothing_can_be_built_on()
    {
        ImageEditor image = KernelSnapshot();
        SetCount(image, EraBlock0, 0);
        image.Set64(0, 52, 17).Set32(SpaceMapIndex, 24, 16320 - 17);

        Fault fault = Assert.Single(Examine(image).Faults, fault => fault.Level == FaultLevel.Damage);

        Assert.Equal($"block {EraBlock0} has 1 pointer, but a count of 0: it may have been overwritten", fault.Cause);
        Assert.Equal([0, EraArray, EraBlock0], fault.Path);
        Assert.Equal(ChangeLists.Live, fault.InDoubt);
    }

    private static void SetCount(ImageEditor image, ulong block, int count)
    {
        int pair = (count & 1) << 1 | count >> 1;
        int shift = (int)(block % 4 * 2);
        image.Edit(Bitmap, bytes =>
        {
            ref byte four = ref bytes[16 + (int)(block / 4)];
            four = (byte)((four & ~(3 << shift)) | (pair << shift));
        });
    }
}
