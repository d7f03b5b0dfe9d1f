using System.Text;
using System.Text.Json;
using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Tests.Golden;

namespace DmEra.Tests.Target.History;

public sealed class ChangeListTests
{
    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void Xml_is_that_of_era_invalidate_byte_for_byte(string name)
    {
        GoldenImage image = GoldenImage.Load(name);
        if (image.HasOpenEra) return;   // which era_invalidate overlooks

        foreach (uint since in image.WrittenSince().Keys)
            Assert.Equal(image.Text($"invalidate-since-{since}.xml"), List(image, since, ChangeListFormat.Xml));
    }

    [Fact]
    public void Ranges_are_lines_of_begin_and_exclusive_end() =>
        Assert.Equal(
            "7 8\n12 25\n100 101\n200 225\n1017 1019\n2047 2048\n",
            List(GoldenImage.Load("multi-era"), 12, ChangeListFormat.Ranges));

    [Fact]
    public void Json_says_what_it_is_about()
    {
        string json = List(GoldenImage.Load("multi-era"), 26, ChangeListFormat.Json);

        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement list = document.RootElement;
        Assert.Equal(26, list.GetProperty("since").GetInt32());
        Assert.Equal(27, list.GetProperty("currentEra").GetInt32());
        Assert.Equal(65536, list.GetProperty("blockSize").GetInt32());
        Assert.Equal(2048, list.GetProperty("blockCount").GetInt32());
        Assert.Equal("[\n[7,8],\n[1017,1019]\n]", list.GetProperty("ranges").GetRawText());
    }

    [Theory]
    [InlineData(ChangeListFormat.Xml, "<blocks>\n</blocks>\n")]
    [InlineData(ChangeListFormat.Ranges, "")]
    [InlineData(ChangeListFormat.Json, "{\"since\":9,\"currentEra\":1,\"blockSize\":65536,\"blockCount\":1024,\"ranges\":[\n]}\n")]
    public void An_empty_list_is_a_whole_document(ChangeListFormat format, string expected) =>
        Assert.Equal(expected, List(GoldenImage.Load("fresh"), 9, format));

    [Fact]
    public void Lists_longer_than_the_buffer_are_whole()
    {
        using MemoryStream output = new();
        AsciiWriter text = new(output);
        for (uint i = 0; i < 100_000; i++)
        {
            text.Append(i);
            text.Append("\n"u8);
        }

        text.Flush();

        Assert.Equal(
            string.Concat(Enumerable.Range(0, 100_000).Select(i => $"{i}\n")), Encoding.ASCII.GetString(output.ToArray()));
    }

    private static string List(GoldenImage image, uint since, ChangeListFormat format)
    {
        using MemoryBlockDevice metadata = new(image.Metadata);
        using EraHistory history = EraHistory.Open(metadata);
        using MemoryStream output = new();
        ChangeList.Write(output, history, since, format);
        return Encoding.ASCII.GetString(output.ToArray());
    }
}
