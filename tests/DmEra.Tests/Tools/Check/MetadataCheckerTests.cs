using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Tests.Golden;
using DmEra.Tools.Check;
using static DmEra.Tests.Tools.Check.CheckedImage;

namespace DmEra.Tests.Tools.Check;

public sealed class MetadataCheckerTests
{
    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void The_kernels_metadata_is_free_of_faults(string name)
    {
        CheckReport report = Examine(GoldenImage.Load(name).Metadata);

        Assert.Empty(report.Faults);
        Assert.Equal((0, 0, 0), (report.DamageCount, report.LeakCount, report.CosmeticCount));
        Assert.True(report.IsTrustworthy);
        Assert.Equal(name == "snapshot" ? true : null, report.IsSnapshotTrustworthy);
    }

    [Fact]
    public void It_tells_what_the_superblock_says() =>
        Assert.Equal(
            new MetadataFacts(128, 2048, 5, false, 53, 18, 1024),
            Examine(GoldenImage.Load("snapshot").Metadata).Facts);

    [Fact]
    public void It_goes_on_after_the_first_fault()
    {
        ulong[] damaged = [Bitmap, EraBlock0, EraBlock2, OverflowRoot, SnapshotEraArray];
        ImageEditor image = KernelSnapshot();
        foreach (ulong block in damaged) image.Flip(block, 1);

        Assert.Equal(damaged.Order(), Examine(image).Faults.Select(fault => fault.Path[^1]).Order());
    }

    [Fact]
    public void A_device_cut_short_is_damage()
    {
        byte[] image = GoldenImage.Load("snapshot").Metadata;

        CheckReport report = Examine(image[..(100 * BlockManager.BlockSize)]);

        Assert.False(report.IsTrustworthy);
        Assert.Contains(report.Faults, fault => fault.Cause == "it counts 1024 blocks, but there are only 100: all of them are 4194304 bytes");
    }

    [Fact]
    public void Of_endless_faults_a_thousand_are_kept()
    {
        ImageEditor image = KernelSnapshot();
        image.Edit(EraBlock0, Alternate).Edit(EraBlock1, Alternate);

        CheckReport report = Examine(image);

        Assert.Equal(1000, report.Faults.Count);
        Assert.Equal(2036, report.DamageCount);
        Assert.False(report.IsTrustworthy);

        static void Alternate(Span<byte> block)
        {
            for (int i = 24; i < block.Length; i++) block[i] = (byte)(i % 8 < 4 ? 0xFF : 0xFE);
        }
    }

    [Fact]
    public void Faults_of_one_cause_in_a_row_are_one()
    {
        ImageEditor image = KernelSnapshot();
        image.Edit(EraBlock0, block => block[24..].Fill(0xFF));

        Fault fault = Assert.Single(Examine(image).Faults);

        Assert.Equal(new BlockRange(0, 1018), fault.Blocks);
    }

    [Fact]
    public void Huge_counts_take_neither_memory_nor_time()
    {
        ImageEditor image = KernelSnapshot();
        image.Set32(0, 180, uint.MaxValue).Set64(0, 44, ulong.MaxValue);

        CheckReport report = Examine(image);

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

            CheckReport report = Examine(image);

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

        CheckReport report = Examine(image);

        Assert.Empty(report.Faults);
        Assert.True(report.IsTrustworthy);
    }

    private static bool IsInUse(byte[] image, ulong block)
    {
        ImageEditor editor = new(image);
        ulong index = editor.Get64(0, 60);
        ulong bitmap = editor.Get64(index, 16);
        return (editor.Block(bitmap)[16 + (int)(block / 4)] >> (int)(block % 4 * 2) & 3) != 0;
    }
}
