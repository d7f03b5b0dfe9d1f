using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Tests.Golden;
using DmEra.Tools.Check;

namespace DmEra.Tests.Tools.Check;

/// <summary>Most tests work on the kernel's image "snapshot": 2048 origin blocks, era 5, one archived writeset, metadata
/// snapshot of era 3 in block 53; three blocks in the era array.</summary>
public sealed class MetadataCheckerTests
{
    private const ulong Index = 105;
    private const ulong Bitmap = 104;
    private const ulong OverflowRoot = 2;
    private const ulong WritesetTree = 103;
    private const ulong EraArray = 92;
    private const ulong EraBlock0 = 90;
    private const ulong EraBlock1 = 36;         // which the snapshot shares
    private const ulong EraBlock2 = 78;
    private const ulong Snapshot = 53;
    private const ulong SnapshotEraArray = 35;
    private const int NodeNrEntries = 16;
    private const int NodeKeys = 32;
    private const int Values8 = 2048;
    private const int Values12 = 1640;

    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void The_kernels_metadata_is_free_of_faults(string name)
    {
        CheckReport report = Check(GoldenImage.Load(name).Metadata);

        Assert.Empty(report.Faults);
        Assert.Equal((0, 0, 0), (report.DamageCount, report.LeakCount, report.CosmeticCount));
        Assert.True(report.IsTrustworthy);
        Assert.Equal(name == "snapshot" ? true : null, report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void It_tells_what_the_superblock_says() =>
        Assert.Equal(
            new MetadataFacts(128, 2048, 5, false, 53, 18, 1024),
            Check(GoldenImage.Load("snapshot").Metadata).Facts);

    [Fact]
    public void An_open_era_is_checked_as_well()
    {
        ImageEditor image = new(GoldenImage.Load("undigested").Metadata);
        ulong root = image.Get64(0, 192);
        ulong block = image.Get64(root, Values8 + 8);

        Fault fault = Assert.Single(Check(image.Flip(block, 20_000)).Faults);

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
        CheckReport report = Check(Golden().Flip(EraBlock2, 12_345));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal((FaultLevel.Damage, "era array", "bad checksum in array block"), (fault.Level, fault.Place, fault.Cause));
        Assert.Equal([0, EraArray, EraBlock2], fault.Path);
        Assert.Equal(new BlockRange(2036, 2048), fault.Blocks);
        Assert.Null(fault.Eras);
        Assert.False(report.IsTrustworthy);
        Assert.True(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void Damage_of_the_snapshot_leaves_the_live_list_alone()
    {
        CheckReport report = Check(Golden().Flip(SnapshotEraArray, 7));

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
        CheckReport report = Check(Golden().Flip(EraBlock1, 1));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal(ChangeLists.Live | ChangeLists.Snapshot, fault.InDoubt);
        Assert.False(report.IsTrustworthy);
        Assert.False(report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void A_lost_writeset_tree_puts_all_blocks_in_doubt()
    {
        CheckReport report = Check(Golden().Flip(WritesetTree, 4096));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal("writeset tree", fault.Place);
        Assert.Equal(new BlockRange(0, 2048), fault.Blocks);
        Assert.Equal(new EraRange(0, 5), fault.Eras);
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void It_goes_on_after_the_first_fault()
    {
        ulong[] damaged = [Bitmap, EraBlock0, EraBlock2, OverflowRoot, SnapshotEraArray];
        ImageEditor image = Golden();
        foreach (ulong block in damaged) image.Flip(block, 1);

        Assert.Equal(damaged.Order(), Check(image).Faults.Select(fault => fault.Path[^1]).Order());
    }

    [Theory]
    [InlineData(Index)]
    [InlineData(Bitmap)]
    [InlineData(OverflowRoot)]
    public void Damage_of_the_space_map_alone_leaves_the_lists_right(ulong block)
    {
        CheckReport report = Check(Golden().Flip(block, 9999));

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal((FaultLevel.Damage, "space map"), (fault.Level, fault.Place));
        Assert.Equal(block, fault.Path[^1]);
        Assert.Null(fault.Blocks);
        Assert.True(report.IsTrustworthy);
        Assert.True(report.IsSnapshotTrustworthy);
    }

    [Theory]
    [InlineData(0, "bad checksum in superblock")]
    [InlineData(65, "superblock has block number 2")]
    [InlineData(8 * 32, "superblock has magic 2126579578, not 2126579579: this is no era metadata")]
    [InlineData(4095 * 8, "bad checksum in superblock")]
    public void A_damaged_superblock_ends_it(int bit, string cause)
    {
        ImageEditor image = Golden().Flip(0, bit);
        CheckReport report = Check(image);

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal((FaultLevel.Damage, "superblock", cause), (fault.Level, fault.Place, fault.Cause));
        Assert.False(report.IsTrustworthy);
        Assert.Null(report.Facts);
        Assert.Equal(cause, Assert.Single(MetadataChecker.CheckSuperblock(image.Device).Faults).Cause);
    }

    [Fact]
    public void The_superblock_alone_can_be_checked()
    {
        CheckReport report = MetadataChecker.CheckSuperblock(Golden().Flip(EraBlock0, 1).Device);

        Assert.Empty(report.Faults);
        Assert.Equal(5u, report.Facts?.CurrentEra);
    }

    [Theory]
    [InlineData(176, 16, FaultLevel.Damage, "metadata block size of 16 sectors, not 8")]
    [InlineData(172, 12, FaultLevel.Damage, "data block size of 12 sectors, not a multiple of 8")]
    [InlineData(172, 0, FaultLevel.Damage, "data block size of 0 sectors, not a multiple of 8")]
    [InlineData(4, 6, FaultLevel.Cosmetic, "unknown flags 6")]
    [InlineData(168, 1, FaultLevel.Cosmetic, "unused bytes are not zero")]
    [InlineData(4092, 1, FaultLevel.Cosmetic, "unused bytes are not zero")]
    public void Oddities_of_the_superblock_are_told(int offset, uint value, FaultLevel level, string cause)
    {
        Fault fault = Assert.Single(Check(Golden().Set32(0, offset, value)).Faults);

        Assert.Equal((level, "superblock", cause), (fault.Level, fault.Place, fault.Cause));
        Assert.Equal(ChangeLists.None, fault.InDoubt);
    }

    [Fact]
    public void The_lineage_that_our_own_target_writes_is_no_fault() =>
        Assert.Empty(Check(Golden().Set32(0, 16, 1)).Faults);

    [Fact]
    public void The_mark_of_a_clean_shutdown_is_known() => Assert.Empty(Check(Golden().Set32(0, 4, 1)).Faults);

    [Fact]
    public void A_wrong_total_is_a_leak()
    {
        Fault fault = Assert.Single(Check(Golden().Set64(0, 52, 17)).Faults);

        Assert.Equal((FaultLevel.Leak, "space map"), (fault.Level, fault.Place));
        Assert.Equal("nr_allocated is 17, but 18 blocks have a count", fault.Cause);
    }

    [Theory]
    [InlineData(24, 1005, "nr_free of bitmap 104 is 1005, not 1006")]
    [InlineData(24, 0, "nr_free of bitmap 104 is 0, not 1006")]
    [InlineData(28, 4, "none_free_before of bitmap 104 is 4, but 1 is free")]
    public void Wrong_index_entries_are_leaks(int offset, uint value, string cause)
    {
        Fault fault = Assert.Single(Check(Golden().Set32(Index, offset, value)).Faults);

        Assert.Equal((FaultLevel.Leak, cause), (fault.Level, fault.Cause));
        Assert.Equal([0, Index], fault.Path);
    }

    [Fact]
    public void Free_entries_may_be_counted_against_the_end_of_the_device() =>
        Assert.Empty(Check(Golden().Set32(Index, 24, 1024 - 18)).Faults);

    [Fact]
    public void A_count_that_is_too_high_is_a_leak()
    {
        ImageEditor image = Golden();
        SetCount(image, EraBlock0, 2);
        SetCount(image, 200, 1);
        SetCount(image, 201, 1);
        SetCount(image, 203, 2);
        image.Set64(0, 52, 21).Set32(Index, 24, 16320 - 21);

        CheckReport report = Check(image);

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
    public void A_count_that_is_too_low_is_damage_that_nothing_can_be_built_on()
    {
        ImageEditor image = Golden();
        SetCount(image, EraBlock0, 0);
        image.Set64(0, 52, 17).Set32(Index, 24, 16320 - 17);

        Fault fault = Assert.Single(Check(image).Faults, fault => fault.Level == FaultLevel.Damage);

        Assert.Equal($"block {EraBlock0} has 1 pointer, but a count of 0: it may have been overwritten", fault.Cause);
        Assert.Equal([0, EraArray, EraBlock0], fault.Path);
        Assert.Equal(ChangeLists.Live, fault.InDoubt);
    }

    [Fact]
    public void Two_pointers_to_one_block_are_damage()
    {
        ImageEditor image = Golden();
        image.Set64(EraArray, Values8 + 8, EraBlock0);

        CheckReport report = Check(image);

        Assert.False(report.IsTrustworthy);
        Assert.Contains(report.Faults, fault => fault.Cause == $"points at block {EraBlock0}, which is in use elsewhere");
    }

    [Fact]
    public void A_pointer_past_the_end_is_located()
    {
        Fault fault = Assert.Single(Check(Golden().Set64(EraArray, Values8 + 8, 1024)).Faults);

        Assert.Equal("points at block 1024 of 1024", fault.Cause);
        Assert.Equal([0, EraArray], fault.Path);
        Assert.Equal(new BlockRange(1018, 2036), fault.Blocks);
    }

    [Fact]
    public void A_missing_array_block_is_located()
    {
        ImageEditor image = Golden();
        image.Set32(EraArray, NodeNrEntries, 2);

        CheckReport report = Check(image);

        Fault fault = Assert.Single(report.Faults, fault => fault.Level == FaultLevel.Damage);
        Assert.Equal("block 2 of the array is missing", fault.Cause);
        Assert.Equal(new BlockRange(2036, 2048), fault.Blocks);
        Assert.Single(report.Faults, fault => fault.Level == FaultLevel.Leak);
    }

    [Fact]
    public void The_block_that_a_shrink_leaves_behind_is_cosmetic()
    {
        ImageEditor image = Golden();
        image.Set32(0, 180, 2036);

        Fault fault = Assert.Single(Check(image).Faults);

        Assert.Equal(FaultLevel.Cosmetic, fault.Level);
        Assert.Equal("1 more array block than the array needs, as Linux leaves behind when an origin shrinks", fault.Cause);
    }

    [Fact]
    public void Eras_yet_to_come_are_damage()
    {
        CheckReport report = Check(Golden().Set32(EraBlock0, 24 + (4 * 9), 99).Set32(EraBlock1, 24, 6));

        Assert.Equal(
            [("era 99, but the current one is 5", new BlockRange(9, 10)), ("era 6, but the current one is 5", new BlockRange(1018, 1019))],
            report.Faults.Select(fault => (fault.Cause, fault.Blocks!.Value)));
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void A_writeset_yet_to_come_is_damage()
    {
        Fault fault = Assert.Single(Check(Golden().Set64(WritesetTree, NodeKeys, 6)).Faults);

        Assert.Equal("a writeset of era 6, but the current one is 5", fault.Cause);
    }

    [Fact]
    public void A_writeset_without_a_bitset_is_damage()
    {
        CheckReport report = Check(Golden().Set64(WritesetTree, Values12 + 4, 0));

        Assert.False(report.IsTrustworthy);
        Assert.Contains(report.Faults, fault => fault.Cause == "points at block 0, which is in use elsewhere");
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
        CheckReport report = Check(TwoLevels().Set32(FirstLeaf(TwoLevels()), offset, value));

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

        CheckReport report = Check(image.Set64(root, Values8, root));

        Assert.Contains(report.Faults, fault => fault.Cause == $"points at block {root}, which is in use elsewhere");
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void Keys_outside_the_parents_range_are_damage()
    {
        ImageEditor image = TwoLevels();
        ulong root = image.Get64(0, 200);

        Fault fault = Assert.Single(
            Check(image.Set64(root, NodeKeys + 8, image.Get64(root, NodeKeys + 8) + 1)).Faults,
            fault => fault.Cause == "btree node: keys out of the parent's range" && fault.Eras!.Value.First > 1);

        Assert.Equal(image.Get64(root, NodeKeys + 8), fault.Eras!.Value.First);
    }

    [Fact]
    public void Untidy_nodes_are_cosmetic()
    {
        ImageEditor image = Golden();
        image.Set32(EraArray, 28, 5).Set32(WritesetTree, 4092, 7).Set32(OverflowRoot, 4, 0x102);

        CheckReport report = Check(image);

        Assert.Equal(3, report.CosmeticCount);
        Assert.Equal((0, 0), (report.DamageCount, report.LeakCount));
        Assert.True(report.IsTrustworthy);
    }

    [Fact]
    public void Bits_behind_the_end_of_a_bitset_are_cosmetic()
    {
        ImageEditor image = new(GoldenImage.Load("shrunk").Metadata);
        ulong root = image.Get64(image.Get64(0, 200), Values12 + 4);
        ulong block = image.Get64(root, Values8);
        image.Edit(block, bytes => bytes[24 + 125] |= 0x80);

        Fault fault = Assert.Single(Check(image).Faults);

        Assert.Equal((FaultLevel.Cosmetic, "bits behind the end of the bitset are set"), (fault.Level, fault.Cause));
    }

    [Fact]
    public void A_device_cut_short_is_damage()
    {
        byte[] image = GoldenImage.Load("snapshot").Metadata;

        CheckReport report = Check(image[..(100 * BlockManager.BlockSize)]);

        Assert.False(report.IsTrustworthy);
        Assert.Contains(report.Faults, fault => fault.Cause == "it counts 1024 blocks, but there are only 100");
    }

    [Fact]
    public void Of_endless_faults_a_thousand_are_kept()
    {
        ImageEditor image = Golden();
        image.Edit(EraBlock0, block => block[24..].Fill(0xFF)).Edit(EraBlock1, block => block[24..].Fill(0xFF));

        CheckReport report = Check(image);

        Assert.Equal(1000, report.Faults.Count);
        Assert.Equal(2036, report.DamageCount);
        Assert.False(report.IsTrustworthy);
    }

    [Fact]
    public void Huge_counts_take_neither_memory_nor_time()
    {
        ImageEditor image = Golden();
        image.Set32(0, 180, uint.MaxValue).Set64(0, 44, ulong.MaxValue);

        CheckReport report = Check(image);

        Assert.False(report.IsTrustworthy);
        Assert.Contains(report.Faults, fault => fault.Cause.Contains("of the array are missing", StringComparison.Ordinal));
    }

    [Theory, MemberData(nameof(Images))]
    public void Every_flip_in_a_block_in_use_is_located(string name)
    {
        byte[] image = GoldenImage.Load(name).Metadata;
        Random random = new(2);
        for (ulong block = 0; block < (ulong)image.Length / BlockManager.BlockSize; block++)
        {
            if (!IsInUse(image, block)) continue;
            int bit = random.Next(BlockManager.BlockSize * 8);
            ImageEditor editor = new(image);
            editor.Flip(block, bit);

            CheckReport report = Check(image);

            editor.Flip(block, bit);
            Assert.Contains(report.Faults, fault => fault.Level == FaultLevel.Damage && fault.Path[^1] == block);
            Assert.Equal(0, report.LeakCount);
        }
    }

    [Theory, MemberData(nameof(Images))]
    public void A_flip_in_a_block_that_is_not_in_use_cannot_matter(string name)
    {
        byte[] image = GoldenImage.Load(name).Metadata;
        Random random = new(3);
        ulong[] unused = [.. Enumerable.Range(0, image.Length / BlockManager.BlockSize).Select(block => (ulong)block).Where(block => !IsInUse(image, block))];
        for (int i = 0; i < 20; i++) new ImageEditor(image).Flip(unused[random.Next(unused.Length)], random.Next(BlockManager.BlockSize * 8));

        CheckReport report = Check(image);

        Assert.Empty(report.Faults);
        Assert.True(report.IsTrustworthy);
    }

    private static ImageEditor Golden() => new(GoldenImage.Load("snapshot").Metadata);

    private static ImageEditor TwoLevels() => new(GoldenImage.Load("many-writesets").Metadata);

    private static ulong FirstLeaf(ImageEditor image) => image.Get64(image.Get64(0, 200), Values8);

    private static CheckReport Check(ImageEditor image) => Check(image.Image);

    private static CheckReport Check(byte[] image)
    {
        using MemoryBlockDevice metadata = new(image);
        return MetadataChecker.Check(metadata);
    }

    private static bool IsInUse(byte[] image, ulong block)
    {
        ImageEditor editor = new(image);
        ulong index = editor.Get64(0, 60);
        ulong bitmap = editor.Get64(index, 16);
        return (editor.Block(bitmap)[16 + (int)(block / 4)] >> (int)(block % 4 * 2) & 3) != 0;
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
