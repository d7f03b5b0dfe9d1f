using DmEra.Target.History;
using DmEra.Tests.Golden;
using DmEra.Tools.Check;
using static DmEra.Tests.Tools.Check.CheckedImage;

namespace DmEra.Tests.Tools.Check;

/// <summary>What is behind a superblock: writesets, era array, and the metadata snapshot with what it shares.</summary>
public sealed class StateWalkTests
{
    [Fact]
    public void An_open_era_is_checked_as_well()
    {
        ImageEditor image = new(GoldenImage.Load("undigested").Metadata);
        ulong root = image.Get64(0, 192);
        ulong block = image.Get64(root, Values8 + 8);

        Fault fault = Assert.Single(Examine(image.Flip(block, 20_000)).Faults);

        Assert.Equal("writeset of era 9", fault.Place);
        Assert.Equal("bad checksum in array block", fault.Cause);
        Assert.Equal([0, root, block], fault.Path);
        Assert.Equal(new BlockRange(32_576, 65_152), fault.Blocks);
        Assert.Equal(new EraRange(9, 9), fault.Eras);
        Assert.Equal(ChangeLists.Live, fault.InDoubt);
    }

    [Fact]
    public void A_damaged_block_of_the_era_array_is_located()
    {
        CheckReport report = Examine(KernelSnapshot().Flip(EraBlock2, 12_345));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal((FaultLevel.Damage, "era array", "bad checksum in array block"), (fault.Level, fault.Place, fault.Cause));
        Assert.Equal([0, EraArray, EraBlock2], fault.Path);
        Assert.Equal(new BlockRange(2036, 2048), fault.Blocks);
        Assert.Equal(new EraRange(1, 5), fault.Eras);
        Assert.False(report.IsTrustworthy);
        Assert.True(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void Damage_of_the_snapshot_leaves_the_live_list_alone()
    {
        CheckReport report = Examine(KernelSnapshot().Flip(SnapshotEraArray, 7));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal("metadata snapshot: era array", fault.Place);
        Assert.Equal([0, Snapshot, SnapshotEraArray], fault.Path);
        Assert.Equal(new BlockRange(0, 2048), fault.Blocks);
        Assert.True(report.IsTrustworthy);
        Assert.False(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void Damage_of_a_shared_block_is_damage_of_both()
    {
        CheckReport report = Examine(KernelSnapshot().Flip(EraBlock1, 1));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal(ChangeLists.Live | ChangeLists.Snapshot, fault.InDoubt);
        Assert.False(report.IsTrustworthy);
        Assert.False(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void Damage_behind_the_end_of_a_shrunk_origin_is_damage_of_the_snapshot_that_shares_it()
    {
        CheckReport report = Examine(KernelSnapshot().Set32(0, 180, 1018).Flip(EraBlock1, 1));

        Fault fault = Assert.Single(report.Faults, fault => fault.Level == FaultLevel.Damage);
        Assert.Equal(ChangeLists.Snapshot, fault.InDoubt);
        Assert.Equal(new BlockRange(1018, 2036), fault.Blocks);
        Assert.True(report.IsTrustworthy);
        Assert.False(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void A_snapshot_of_more_blocks_than_what_it_shares_tells_of_is_damage()
    {
        CheckReport report = Examine(KernelSnapshot().Set64(Snapshot, 208, EraArray).Set32(Snapshot, 180, 1_000_000));

        Assert.Contains(report.Faults, fault => fault.Cause == "blocks 3 to 982 of the array are missing" && fault.InDoubt.HasFlag(ChangeLists.Snapshot));
        Assert.False(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void A_block_of_which_the_snapshot_needs_more_than_the_live_state_is_looked_at_again()
    {
        ImageEditor image = KernelSnapshot();
        image.Set64(SnapshotEraArray, Values8, EraBlock2);      // the live state's last one, of 12 values

        CheckReport report = Examine(image);

        Assert.Contains(report.Faults, fault => fault.Cause == "array block: 12 entries, not 1018");
        Assert.False(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void Damage_behind_the_end_of_a_shrunk_origin_is_harmless_when_nobody_shares_it()
    {
        CheckReport report = Examine(KernelSnapshot().Set32(0, 180, 2036).Flip(EraBlock2, 1));

        Fault fault = Assert.Single(report.Faults, fault => fault.Level == FaultLevel.Damage);
        Assert.Equal((ChangeLists.None, (BlockRange?)null), (fault.InDoubt, fault.Blocks));
        Assert.True(report.IsTrustworthy);
        Assert.True(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void A_lost_writeset_tree_puts_all_blocks_in_doubt()
    {
        CheckReport report = Examine(KernelSnapshot().Flip(WritesetRoot, 4096));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal("writeset tree", fault.Place);
        Assert.Equal(new BlockRange(0, 2048), fault.Blocks);
        Assert.Equal(new EraRange(0, 5), fault.Eras);
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void Damage_of_a_writeset_that_is_longer_than_the_origin_is_doubtful()
    {
        ImageEditor image = new(GoldenImage.Load("undigested").Metadata);
        ulong block = image.Get64(image.Get64(0, 192), Values8 + 8);

        Assert.False(Examine(image.Set32(0, 180, 1018).Flip(block, 20_000)).IsTrustworthy);
    }

    [Fact]
    public void A_lost_writeset_tree_is_doubtful_even_without_blocks()
    {
        ImageEditor image = new(GoldenImage.Load("formatted").Metadata);

        CheckReport report = Examine(image.Flip(image.Get64(0, 200), 4096));

        Assert.Equal("writeset tree", Assert.Single(report.Faults).Place);
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void A_missing_array_block_is_located()
    {
        ImageEditor image = KernelSnapshot();
        image.Set32(EraArray, NodeNrEntries, 2);

        CheckReport report = Examine(image);

        Fault fault = Assert.Single(report.Faults, fault => fault.Level == FaultLevel.Damage);
        Assert.Equal("block 2 of the array is missing", fault.Cause);
        Assert.Equal(new BlockRange(2036, 2048), fault.Blocks);
        Assert.Single(report.Faults, fault => fault.Level == FaultLevel.Leak);
    }

    [Fact]
    public void The_block_that_a_shrink_leaves_behind_is_cosmetic()
    {
        ImageEditor image = KernelSnapshot();
        image.Set32(0, 180, 2036);

        Fault fault = Assert.Single(Examine(image).Faults);

        Assert.Equal(FaultLevel.Cosmetic, fault.Level);
        Assert.Equal("1 more array block than the array needs, as Linux leaves behind when an origin shrinks", fault.Cause);
    }

    [Fact]
    public void Eras_yet_to_come_are_damage()
    {
        CheckReport report = Examine(KernelSnapshot().Set32(EraBlock0, 24 + (4 * 9), 99).Set32(EraBlock1, 24, 6));

        Assert.Equal(
            [("era 99, but the current one is 5", new BlockRange(9, 10)), ("era 6, but the current one is 5", new BlockRange(1018, 1019))],
            report.Faults.Select(fault => (fault.Cause, fault.Blocks!.Value)));
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void A_writeset_yet_to_come_is_damage()
    {
        Fault fault = Assert.Single(Examine(KernelSnapshot().Set64(WritesetRoot, NodeKeys, 6)).Faults);

        Assert.Equal("a writeset of era 6, but the current one is 5", fault.Cause);
    }

    [Fact]
    public void A_writeset_without_a_bitset_is_damage()
    {
        CheckReport report = Examine(KernelSnapshot().Set64(WritesetRoot, Values12 + 4, 0));

        Assert.False(report.IsTrustworthy);
        Assert.Contains(report.Faults, fault => fault.Cause == "points at block 0, which is in use elsewhere");
    }

    [Fact]
    public void Bits_behind_the_end_of_a_bitset_are_cosmetic()
    {
        ImageEditor image = new(GoldenImage.Load("shrunk").Metadata);
        ulong root = image.Get64(image.Get64(0, 200), Values12 + 4);
        ulong block = image.Get64(root, Values8);
        image.Edit(block, bytes => bytes[24 + 125] |= 0x80);

        Fault fault = Assert.Single(Examine(image).Faults);

        Assert.Equal((FaultLevel.Cosmetic, "bits behind the end of the bitset are set"), (fault.Level, fault.Cause));
    }
}
