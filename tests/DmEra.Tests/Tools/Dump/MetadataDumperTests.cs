using System.Text;
using System.Text.RegularExpressions;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Tests.Golden;
using DmEra.Tools.Dump;
using DmEra.Tools.Restore;

namespace DmEra.Tests.Tools.Dump;

public sealed partial class MetadataDumperTests
{
    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void Xml_is_that_of_era_dump_byte_for_byte_but_for_the_open_era(string name)
    {
        GoldenImage image = GoldenImage.Load(name);
        string xml = Dump(image);

        string expected = image.Text("dump.xml");
        if (image.IsFormattedOnly) expected += "  </era_array>\n</superblock>\n";    // where era_dump breaks off
        Assert.Equal(expected, image.HasOpenEra ? WithoutLastWriteset(xml) : xml);
    }

    [Fact]
    public void An_open_era_is_dumped_as_a_writeset()
    {
        string xml = Dump(GoldenImage.Load("undigested"));

        string open = xml[xml.LastIndexOf("  <writeset", StringComparison.Ordinal)..];
        Assert.StartsWith("  <writeset era=\"9\" nr_bits=\"131072\">\n", open);
        Assert.Equal(["131071"], MarkedBit().Matches(open).Select(match => match.Groups[1].Value));
    }

    [Theory, MemberData(nameof(Images))]
    public void A_logical_dump_has_the_era_of_each_last_write(string name)
    {
        GoldenImage image = GoldenImage.Load(name);
        using MemoryBlockDevice metadata = new(image.Metadata);
        using MemoryStream output = new();

        MetadataDumper.DumpLogical(metadata, output);

        string xml = Encoding.ASCII.GetString(output.ToArray());
        if (!image.HasOpenEra && !image.IsFormattedOnly) Assert.Equal(image.Text("dump-logical.xml"), xml);
        output.Position = 0;
        using MemoryBlockDevice restored = new(0);
        MetadataRestorer.Restore(output, restored);
        Assert.Equal(LastWrites(metadata), LastWrites(restored));
    }

    [Fact]
    public void Marked_style_writes_runs_across_words_as_one()
    {
        GoldenImage image = GoldenImage.Load("one-era");
        using MemoryBlockDevice metadata = new(image.Metadata);
        using MemoryStream output = new();

        MetadataDumper.Dump(metadata, output, MarkStyle.Marked);

        string xml = Encoding.ASCII.GetString(output.ToArray());
        Assert.Equal(
            ["0,3", "63,3", "500,1", "1023,1"],
            MarkedRun().Matches(xml).Select(match => $"{match.Groups[1].Value},{match.Groups[2].Value}"));
        Assert.DoesNotContain("<bit", xml, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_piece_breaks_the_dump_off()
    {
        byte[] image = GoldenImage.Load("fresh").Metadata;
        image.AsSpan(BlockManager.BlockSize).Clear();
        using MemoryBlockDevice metadata = new(image);

        Assert.Throws<MetadataCorruptException>(() => MetadataDumper.Dump(metadata, Stream.Null, MarkStyle.Bits));
        Assert.Throws<MetadataCorruptException>(() => MetadataDumper.DumpLogical(metadata, Stream.Null));
    }

    private static uint[] LastWrites(IBlockDevice metadata)
    {
        using EraHistory history = EraHistory.Open(metadata);
        uint[] eras = new uint[history.NrBlocks];
        history.ReadEras(0, eras);
        return eras;
    }

    private static string Dump(GoldenImage image)
    {
        using MemoryBlockDevice metadata = new(image.Metadata);
        using MemoryStream output = new();
        MetadataDumper.Dump(metadata, output, MarkStyle.Bits);
        return Encoding.ASCII.GetString(output.ToArray());
    }

    private static string WithoutLastWriteset(string xml)
    {
        int begin = xml.LastIndexOf("  <writeset", StringComparison.Ordinal);
        return xml.Remove(begin, xml.IndexOf("  <era_array", StringComparison.Ordinal) - begin);
    }

    [GeneratedRegex("""<bit block="(\d+)" value="true"/>""")]
    private static partial Regex MarkedBit();

    [GeneratedRegex("""<marked block_begin="(\d+)" len="(\d+)"/>""")]
    private static partial Regex MarkedRun();
}
