using System.Text;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Tests.Golden;
using DmEra.Tools.Dump;
using DmEra.Tools.Restore;

namespace DmEra.Tests.Tools.Restore;

public sealed class MetadataRestorerTests
{
    private const string Begin = """<superblock uuid="" block_size="128" nr_blocks="130" current_era="7">""";
    private const string End = "</superblock>";

    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void What_was_dumped_comes_back(string name)
    {
        using MemoryBlockDevice original = new(GoldenImage.Load(name).Metadata);
        foreach (MarkStyle style in Enum.GetValues<MarkStyle>())
        {
            using MemoryBlockDevice restored = Restore(Dump(original, style));

            Assert.Equal(Dump(original, MarkStyle.Marked), Dump(restored, MarkStyle.Marked));
        }
    }

    [Fact]
    public void It_restores_what_era_restore_does()
    {
        using TempFolder folder = new();
        GoldenImage image = GoldenImage.Load("multi-era");
        File.WriteAllText(folder["xml"], image.Text("dump.xml"));
        Oracle.Run("era_restore", "-i", folder["xml"], "-o", folder.Sparse("theirs", 4 << 20)).AssertSuccess();
        using (FileStream xml = File.OpenRead(folder["xml"]))
        using (FileBlockDevice ours = FileBlockDevice.Open(folder.Sparse("ours", 4 << 20)))
            MetadataRestorer.Restore(xml, ours);

        Oracle.EraCheck(folder["ours"]);
        Assert.Equal(image.Text("dump.xml"), Oracle.EraDump(folder["ours"]));
        using FileBlockDevice theirs = FileBlockDevice.OpenReadOnly(folder["theirs"]);
        Assert.Equal(image.Text("dump.xml"), Dump(theirs, MarkStyle.Bits));
    }

    [Fact]
    public void Runs_across_word_boundaries_are_restored_exactly()
    {
        string xml = Begin + """
            <writeset era="5" nr_bits="130"><marked block_begin="60" len="10"/><marked block_begin="127" len="3"/>
            <marked block_begin="10" len="0"/></writeset>
            """ + End;

        Assert.Equal([(60, 70), (127, 130)], Written(Restore(xml), 5));
    }

    [Fact]
    public void Elements_may_come_in_any_order()
    {
        string xml = Begin + """
            <era_array><era block="129" era="3"/><era block="0" era="4"/></era_array>
            <writeset era="6" nr_bits="130"><bit block="70" value="true"/><bit block="3" value="true"/></writeset>
            <writeset era="5" nr_bits="64"><marked block_begin="63" len="1"/><bit block="1" value="false"/></writeset>
            """ + End;

        using MemoryBlockDevice restored = Restore(xml);
        Assert.Equal([(3, 4), (70, 71)], Written(restored, 6));
        Assert.Equal([(3, 4), (63, 64), (70, 71)], Written(restored, 5));
        Assert.Equal([(0, 1), (3, 4), (63, 64), (70, 71), (129, 130)], Written(restored, 3));
    }

    [Fact]
    public void All_that_xml_allows_is_read()
    {
        string xml = "\uFEFF<?xml version='1.0'?>\r\n<!-- made > by < hand -->\r\n" +
            "<superblock xmlns=\"urn:x\"\r\n uuid = 'x' current_era='7' nr_blocks =\"130\"\tblock_size= '128' colour=\"red\" >" +
            "<writeset era=\"5\" nr_bits=\"130\"><bit value=\"true\" block=\"007\"></bit><!-- --></writeset>" +
            "<writeset era=\"4\" nr_bits=\"130\"/><era_array></era_array></superblock>\n<!-- the end -->";

        Assert.Equal([(7, 8)], Written(Restore(xml), 1));
    }

    [Theory]
    [InlineData("", "line 1: the XML ends before </superblock>: it was cut short")]
    [InlineData("hello", "line 1: text where only elements may be; is it era metadata in XML?")]
    [InlineData("<cache/>", "line 1: <cache> where <superblock> was expected")]
    [InlineData("<superblock nr_blocks=\"1\" current_era=\"1\">", "line 1: <superblock> has no attribute block_size")]
    [InlineData("<superblock block_size=\"7\" nr_blocks=\"1\" current_era=\"1\">", "line 1: block_size 7 is not a multiple of 8 sectors")]
    [InlineData("<superblock block_size=\"8\" nr_blocks=\"2147483648\" current_era=\"1\">", "line 1: nr_blocks 2147483648 is more than the 2147483647 that a device can have")]
    [InlineData("<superblock block_size=\"8\" nr_blocks=\"4294967296\" current_era=\"1\">", "line 1: nr_blocks=\"4294967296\" is not a number from 0 to 4294967295")]
    [InlineData("<superblock block_size=\"8\" nr_blocks=\"-1\" current_era=\"1\">", "line 1: nr_blocks=\"-1\" is not a number from 0 to 4294967295")]
    [InlineData("<superblock block_size=\"8\" block_size=\"8\">", "line 1: attribute block_size is given twice")]
    [InlineData("<superblock block_size=8>", "line 1: the value of block_size is not in quotes")]
    [InlineData("<superblock block_size>", "line 1: attribute block_size has no value")]
    [InlineData("<superblock block_size=\"8\"nr_blocks=\"1\">", "line 1: a malformed <superblock> tag")]
    [InlineData("</superblock>", "line 1: an end tag, but no element is open")]
    [InlineData("<!DOCTYPE superblock>", "line 1: document types and character data are not supported")]
    [InlineData("<!-- open", "line 1: the XML ends within a comment: it was cut short")]
    [InlineData("<", "line 1: the XML ends within a tag: it was cut short")]
    public void A_document_without_a_proper_beginning_is_refused_untouched(string xml, string cause)
    {
        byte[] before = [.. Enumerable.Range(0, 1 << 16).Select(i => (byte)i)];
        using FixedSizeDevice output = new([.. before]);

        Assert.Equal(cause, Refusal(xml, output));
        Assert.Equal(before, output.ToArray());
    }

    [Theory]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\">\n", "line 3: the XML ends before </superblock>: it was cut short")]
    [InlineData("\n\n", "line 3: the XML ends before </superblock>: it was cut short")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\"><bit block=\"1", "line 2: the XML ends within a tag: it was cut short")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\">\n  <bit block=\"130\" value=\"true\"/>\n", "line 3: block 130 in a writeset of 130 bits")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\"><marked block_begin=\"130\" len=\"4294967295\"/>", "line 2: block 4294967424 in a writeset of 130 bits")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\"><bit block=\"1\" value=\"True\"/>", "line 2: value=\"True\" is neither true nor false")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\"><bit block=\"1\" value=\"true\"/><bit block=\"1\" value=\"false\"/>", "line 2: block 1 is given twice")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\">\n    <bit block=\"1\" value=\"true\"/>\n    <bit block=\"1\" value=\"true\"/>\n", "line 4: block 1 is given twice")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\"><marked block_begin=\"1\" len=\"100\"/><marked block_begin=\"100\" len=\"1\"/>", "line 2: block 100 is given twice")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\"/>\n<writeset era=\"5\" nr_bits=\"130\"/>", "line 3: a second writeset of era 5")]
    [InlineData("\n<writeset era=\"8\" nr_bits=\"130\"/>", "line 2: era 8 is later than the current era 7")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\"><era block=\"1\" era=\"1\"/>", "line 2: <era> where <bit> was expected")]
    [InlineData("\n<writeset era=\"5\" nr_bits=\"130\"></era_array>", "line 2: </era_array> where </writeset> was expected")]
    [InlineData("\n<era_array>\n    <era block=\"1\" era=\"8\"/>\n", "line 3: era 8 is later than the current era 7")]
    [InlineData("\n<era_array><era block=\"130\" era=\"1\"/>", "line 2: block 130 of an origin of 130 blocks")]
    [InlineData("\n<era_array><era block=\"4294967297\" era=\"1\"/>", "line 2: block=\"4294967297\" is not a number from 0 to 4294967295")]
    [InlineData("\n<era_array><era block=\"1\" era=\"1\"/><era block=\"1\" era=\"1\"/>", "line 2: block 1 is given twice")]
    [InlineData("\n<era_array/><era_array/>", "line 2: a second era array")]
    [InlineData("\n<era_array><era block=\"1\" era=\"1\">", "line 2: the XML ends before </superblock>: it was cut short")]
    [InlineData("\n<policy/>", "line 2: <policy> where <era_array> was expected")]
    [InlineData("\n<![CDATA[]]>", "line 2: document types and character data are not supported")]
    [InlineData("\ntext", "line 2: text where only elements may be; is it era metadata in XML?")]
    [InlineData("</superblock><superblock/>", "line 1: another element behind the superblock")]
    public void A_document_that_goes_wrong_leaves_what_is_plainly_no_metadata(string rest, string cause)
    {
        using FixedSizeDevice output = new(1 << 20);
        MetadataRestorer.Restore(Stream(Begin + End), output);

        Assert.Equal(cause, Refusal(Begin + rest, output));
        Assert.Throws<MetadataCorruptException>(() => EraHistory.Open(output));
        Assert.All(output.ToArray()[..4096], value => Assert.Equal(0, value));
    }

    [Fact]
    public void A_tag_has_a_longest_length() =>
        Assert.Equal("line 1: the tag is too long", Refusal($"<superblock uuid=\"{new string('x', 1 << 20)}\"", new FixedSizeDevice(1 << 20)));

    [Fact]
    public void Huge_counts_take_neither_memory_nor_time()
    {
        string xml = """
            <superblock block_size="8" nr_blocks="2147483647" current_era="7"><writeset era="1" nr_bits="4294967295">
            """;

        Assert.Throws<MetadataFullException>(() => MetadataRestorer.Restore(Stream(xml), new FixedSizeDevice(1 << 20)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1 << 20)]
    public void Input_may_arrive_in_pieces(int pieceSize)
    {
        using MemoryBlockDevice original = new(GoldenImage.Load("snapshot").Metadata);
        string xml = Dump(original, MarkStyle.Bits);
        using MemoryBlockDevice restored = new(0);

        MetadataRestorer.Restore(new PiecewiseStream(Encoding.UTF8.GetBytes(xml), pieceSize), restored);

        Assert.Equal(xml, Dump(restored, MarkStyle.Bits));
    }

    private static MemoryBlockDevice Restore(string xml)
    {
        MemoryBlockDevice output = new(0);
        MetadataRestorer.Restore(Stream(xml), output);
        return output;
    }

    private static string Refusal(string xml, IBlockDevice output) =>
        Assert.Throws<EraXmlException>(() => MetadataRestorer.Restore(Stream(xml), output)).Message;

    private static string Dump(IBlockDevice metadata, MarkStyle style)
    {
        using MemoryStream output = new();
        MetadataDumper.Dump(metadata, output, style);
        return Encoding.ASCII.GetString(output.ToArray());
    }

    private static IReadOnlyList<(int Begin, int End)> Written(IBlockDevice metadata, uint since)
    {
        using EraHistory history = EraHistory.Open(metadata);
        return [.. history.WrittenSince(since).Select(run => ((int)run.Begin, (int)run.End))];
    }

    private static MemoryStream Stream(string text) => new(Encoding.UTF8.GetBytes(text));

    /// <summary>A stream whose reads are short, as a pipe's are.</summary>
    private sealed class PiecewiseStream(byte[] content, int pieceSize) : MemoryStream(content)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, pieceSize)]);
    }
}
