using DmEra.Target.History;
using DmEra.Tools.Check;
using static DmEra.Tests.Tools.Check.CheckedImage;

namespace DmEra.Tests.Tools.Check;

/// <summary>Trees in any state, cyclic ones too.</summary>
public sealed class TreeInspectorTests
{
    [Fact]
    public void Two_pointers_to_one_block_that_is_counted_once_are_damage()
    {
        ImageEditor image = KernelSnapshot();
        image.Set64(EraArray, Values8 + 8, EraBlock0);

        CheckReport report = Examine(image);

        Assert.False(report.IsTrustworthy);
        Assert.Single(
            report.Faults, fault => fault.Cause == $"block {EraBlock0} has 2 pointers, but a count of 1: it may have been overwritten");
    }

    [Fact]
    public void A_block_that_is_used_as_two_kinds_of_thing_is_damage()
    {
        ImageEditor image = KernelSnapshot();
        image.Set64(EraArray, Values8 + 8, WritesetRoot);

        CheckReport report = Examine(image);

        Assert.False(report.IsTrustworthy);
        Assert.Contains(report.Faults, fault => fault.Cause == $"points at block {WritesetRoot}, which is in use elsewhere");
    }

    [Fact]
    public void A_pointer_past_the_end_is_located()
    {
        Fault fault = Assert.Single(Examine(KernelSnapshot().Set64(EraArray, Values8 + 8, 1024)).Faults);

        Assert.Equal("points at block 1024 of 1024", fault.Cause);
        Assert.Equal([0, EraArray], fault.Path);
        Assert.Equal(new BlockRange(1018, 2036), fault.Blocks);
    }

    [Theory]
    [InlineData(16, 0u, "btree node: empty")]
    [InlineData(20, 198u, "btree node: not one with values of 12 bytes")]
    [InlineData(24, 4u, "btree node: not one with values of 12 bytes")]
    [InlineData(40, 1u, "btree node: keys are not in ascending order")]
    [InlineData(4, 3u, "btree node: neither an internal node nor a leaf")]
    [InlineData(16, 253u, "btree node: nr_entries is greater than max_entries")]
    public void Nodes_that_cannot_be_searched_are_damage(int offset, uint value, string cause)
    {
        CheckReport report = Examine(TwoLevels().Set32(FirstLeaf(TwoLevels()), offset, value));

        Fault fault = Assert.Single(report.Faults, fault => fault.Level == FaultLevel.Damage);
        Assert.Equal(cause, fault.Cause);
        Assert.Equal("writeset tree", fault.Place);
        Assert.False(report.IsTrustworthy);
        Assert.Equal(0, report.LeakCount);
    }

    [Fact]
    public void A_tree_that_leads_back_to_itself_is_damage()
    {
        ImageEditor image = TwoLevels();
        ulong root = image.Get64(0, 200);

        CheckReport report = Examine(image.Set64(root, Values8, root));

        Assert.Contains(report.Faults, fault => fault.Cause == $"points at block {root}, which is in use elsewhere");
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void Keys_outside_the_parents_range_are_damage()
    {
        ImageEditor image = TwoLevels();
        ulong root = image.Get64(0, 200);

        Fault fault = Assert.Single(
            Examine(image.Set64(root, NodeKeys + 8, image.Get64(root, NodeKeys + 8) + 1)).Faults,
            fault => fault.Cause == "btree node: keys out of the parent's range" && fault.Eras!.Value.First > 1);

        Assert.Equal(image.Get64(root, NodeKeys + 8), fault.Eras!.Value.First);
    }

    [Fact]
    public void Untidy_nodes_are_cosmetic()
    {
        ImageEditor image = KernelSnapshot();
        image.Set32(EraArray, 28, 5).Set32(WritesetRoot, 4092, 7).Set32(OverflowRoot, 4, 0x102);

        CheckReport report = Examine(image);

        Assert.Equal(3, report.CosmeticCount);
        Assert.Equal((0, 0), (report.DamageCount, report.LeakCount));
        Assert.True(report.IsTrustworthy);
    }
}
