using System.Text;
using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Tests.Golden;
using DmEra.Tools.Check;
using DmEra.Tools.Dump;
using DmEra.Tools.Repair;
using DmEra.Tools.Restore;
using DmEra.Tools.Writing;

namespace DmEra.Tests.Tools.Repair;

public sealed class MetadataRepairerTests
{
    private const ulong Snapshot = 53;          // blocks of the image "snapshot"
    private const ulong WritesetTree = 103;
    private const ulong Bitset = 101;
    private const ulong EraArray = 92;
    private const ulong EraBlock2 = 78;
    private const ulong Index = 105;
    private const int Values8 = 2048;

    private static readonly GeometryHint Nothing = new(null, null, null);

    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void Undamaged_metadata_keeps_every_era(string name)
    {
        byte[] image = GoldenImage.Load(name).Metadata;

        RepairReport report = Repair(image, out byte[] repaired);

        Assert.Empty(report.Losses);
        Assert.Equal(0u, report.BlocksAssumedWritten);
        Assert.Equal(Eras(image), Eras(repaired));
    }

    [Fact]
    public void What_era_check_and_the_checker_say_of_a_repair()
    {
        using TempFolder folder = new();
        ImageEditor image = Golden().Flip(EraBlock2, 1).Flip(Index, 1);
        using (FileBlockDevice output = FileBlockDevice.Open(folder.Sparse("meta", 0)))
            MetadataRepairer.Repair(image.Device, output, Nothing);

        Oracle.EraCheck(folder["meta"]);
        using FileBlockDevice repaired = FileBlockDevice.OpenReadOnly(folder["meta"]);
        Assert.Empty(MetadataChecker.Check(repaired).Faults);
    }

    [Fact]
    public void Blocks_of_a_lost_piece_come_out_as_written_in_the_current_era_and_no_others()
    {
        uint[] before = Eras(Golden().Image);

        RepairReport report = Repair(Golden().Flip(EraBlock2, 777).Image, out byte[] repaired);

        Loss loss = Assert.Single(report.Losses);
        Assert.Equal(("era array", "bad checksum in array block"), (loss.Place, loss.Cause));
        Assert.Equal([0, EraArray, EraBlock2], loss.Path);
        Assert.Equal(new BlockRange(2036, 2048), loss.Blocks);
        Assert.Equal(12u, report.BlocksAssumedWritten);
        Assert.Equal([.. before[..2036], .. Enumerable.Repeat(5u, 12)], Eras(repaired));
    }

    [Fact]
    public void A_lost_index_loses_all_that_is_behind_it()
    {
        RepairReport report = Repair(Golden().Flip(EraArray, 777).Image, out byte[] repaired);

        Loss loss = Assert.Single(report.Losses);
        Assert.Equal([0, EraArray], loss.Path);
        Assert.Equal(new BlockRange(0, 2048), loss.Blocks);
        Assert.All(Eras(repaired), era => Assert.Equal(5u, era));
    }

    [Fact]
    public void A_lost_part_of_a_bitset_loses_its_blocks_alone()
    {
        ImageEditor image = new(GoldenImage.Load("undigested").Metadata);
        uint[] before = Eras(image.Image);
        ulong root = image.Get64(0, 192);
        image.Flip(image.Get64(root, Values8 + 8), 5);

        RepairReport report = Repair(image.Image, out byte[] repaired);

        Assert.Equal("writeset of era 9", Assert.Single(report.Losses).Place);
        Assert.Equal(32_576u, report.BlocksAssumedWritten);
        Assert.Equal([.. before[..32_576], .. Enumerable.Repeat(9u, 32_576), .. before[65_152..]], Eras(repaired));
    }

    [Fact]
    public void A_lost_writeset_may_have_marked_any_block()
    {
        RepairReport report = Repair(Golden().Flip(WritesetTree, 777).Image, out byte[] repaired);

        Assert.Equal("writeset tree", Assert.Single(report.Losses).Place);
        Assert.Equal(2048u, report.BlocksAssumedWritten);
        Assert.All(Eras(repaired), era => Assert.Equal(5u, era));
    }

    [Fact]
    public void Two_losses_of_one_block_count_once()
    {
        RepairReport report = Repair(Golden().Flip(EraBlock2, 777).Flip(Bitset, 9).Image, out _);

        Assert.Equal(2, report.LossCount);
        Assert.Equal(2048u, report.BlocksAssumedWritten);
    }

    [Fact]
    public void A_loss_over_many_windows_is_one_loss()
    {
        using MemoryBlockDevice metadata = new(0);
        MetadataBuilder builder = MetadataBuilder.Create(metadata, new EraGeometry(8, 3_000_000, 7));
        builder.Commit();
        ImageEditor image = new(metadata.ToArray());
        image.Flip(image.Get64(0, 208), 3);

        RepairReport report = Repair(image.Image, out _);

        Assert.Equal(new BlockRange(0, 3_000_000), Assert.Single(report.Losses).Blocks);
        Assert.Equal(3_000_000u, report.BlocksAssumedWritten);
    }

    [Fact]
    public void Eras_yet_to_come_become_the_current_one()
    {
        RepairReport report = Repair(Golden().Set32(EraBlock2, 24, 99).Image, out byte[] repaired);

        Assert.Equal("era 99 is later than the current one, 5", Assert.Single(report.Losses).Cause);
        Assert.Equal(5u, Eras(repaired)[2036]);
    }

    [Fact]
    public void Without_superblock_the_snapshot_tells_of_the_device_and_nothing_is_taken_as_unwritten()
    {
        RepairReport report = Repair(Golden().Flip(0, 999).Image, out byte[] repaired);

        Assert.Equal(new EraGeometry(128, 2048, 1_000_005), report.Geometry);
        Loss loss = Assert.Single(report.Losses);
        Assert.Equal(("superblock", "bad checksum in superblock"), (loss.Place, loss.Cause));
        Assert.Equal(2048u, report.BlocksAssumedWritten);
        Assert.All(Eras(repaired), era => Assert.Equal(1_000_005u, era));
    }

    [Fact]
    public void Eras_that_are_mentioned_nowhere_any_more_are_not_forgotten()
    {
        ImageEditor image = Golden();
        image.Block(0).Clear();
        foreach (ulong block in Enumerable.Range(1, image.BlockCount - 1).Select(block => (ulong)block).Where(block => block != Snapshot))
            image.Block(block).Clear();

        Repair(image.Image, out byte[] repaired);

        Assert.All(Eras(repaired), era => Assert.True(era >= 5));
    }

    [Fact]
    public void Without_superblock_and_snapshot_the_user_must_tell()
    {
        ImageEditor image = Golden();
        image.Block(0).Clear();
        image.Block(Snapshot).Clear();

        UnsalvageableException refusal = Assert.Throws<UnsalvageableException>(() => Repair(image.Image, out _));
        Assert.Contains("give 'era repair' --block-size, --nr-blocks and --current-era", refusal.Message, StringComparison.Ordinal);
        using MemoryBlockDevice output = new(0);
        RepairReport report = MetadataRepairer.Repair(image.Device, output, new GeometryHint(16, 3000, 40));
        Assert.Equal(new EraGeometry(16, 3000, 40), report.Geometry);
        Assert.All(Eras(output.ToArray()), era => Assert.Equal(40u, era));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(12u)]
    public void A_superblock_with_an_impossible_block_size_is_as_good_as_lost(uint sectors)
    {
        RepairReport report = Repair(Golden().Set32(0, 172, sectors).Image, out byte[] repaired);

        Assert.Equal(new EraGeometry(128, 2048, 1_000_005), report.Geometry);
        Assert.Equal($"superblock has a data block size of {sectors} sectors", Assert.Single(report.Losses).Cause);
        using MemoryBlockDevice metadata = new(repaired);
        Assert.Empty(MetadataChecker.Check(metadata).Faults);
    }

    [Fact]
    public void The_user_must_not_contradict_a_whole_superblock()
    {
        UnsalvageableException refusal = Assert.Throws<UnsalvageableException>(
            () => MetadataRepairer.Repair(Golden().Device, new MemoryBlockDevice(0), new GeometryHint(128, 2049, null)));

        Assert.Equal("the superblock is whole and says 2048: leave out --nr-blocks 2049", refusal.Message);
    }

    [Fact]
    public void An_empty_device_is_beyond_repair() =>
        Assert.Throws<UnsalvageableException>(() => Repair([], out _));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Undamaged_metadata_is_dumped_as_it_is(bool isLogical)
    {
        byte[] image = GoldenImage.Load("snapshot").Metadata;
        using MemoryStream plain = new();
        if (isLogical) MetadataDumper.DumpLogical(new MemoryBlockDevice(image), plain);
        else MetadataDumper.Dump(new MemoryBlockDevice(image), plain, MarkStyle.Bits);

        using MemoryStream repaired = new();
        RepairReport report = MetadataRepairer.Dump(new MemoryBlockDevice(image), repaired, MarkStyle.Bits, isLogical);

        Assert.Empty(report.Losses);
        Assert.Equal(plain.ToArray(), repaired.ToArray());
    }

    [Fact]
    public void A_damaged_dump_restores_to_what_a_repair_makes()
    {
        ImageEditor image = Golden().Flip(EraBlock2, 5);
        using MemoryStream xml = new();
        RepairReport report = MetadataRepairer.Dump(image.Device, xml, MarkStyle.Bits, isLogical: false);
        xml.Position = 0;
        using MemoryBlockDevice restored = new(0);
        MetadataRestorer.Restore(xml, restored);

        RepairReport expected = Repair(image.Image, out byte[] repaired);

        Assert.Equal(expected.BlocksAssumedWritten, report.BlocksAssumedWritten);
        Assert.Equal(Eras(repaired), Eras(restored.ToArray()));
        Assert.DoesNotContain("<writeset", Encoding.ASCII.GetString(xml.ToArray()), StringComparison.Ordinal);
    }

    private static ImageEditor Golden() => new(GoldenImage.Load("snapshot").Metadata);

    private static RepairReport Repair(byte[] image, out byte[] repaired)
    {
        using MemoryBlockDevice damaged = new(image);
        using MemoryBlockDevice output = new(0);
        RepairReport report = MetadataRepairer.Repair(damaged, output, Nothing);
        repaired = output.ToArray();
        return report;
    }

    private static uint[] Eras(byte[] image)
    {
        using MemoryBlockDevice metadata = new(image);
        using EraHistory history = EraHistory.Open(metadata);
        uint[] eras = new uint[history.NrBlocks];
        history.ReadEras(0, eras);
        return eras;
    }
}
