using DmEra.Tools.Labels;

namespace DmEra.Tests.Tools.Labels;

/// <summary>Labels of eras, in their file.</summary>
public sealed class LabelBookTests : IDisposable
{
    private static readonly Guid Lineage = Guid.NewGuid();

    private readonly TempFolder _folder = new();

    private string Metadata => _folder["disk.era"];

    [Fact]
    public void A_label_stands_for_its_era_until_it_is_removed()
    {
        Assert.Empty(LabelBook.Read(Metadata).Labels);
        Add("later", 7);
        Add("vor dem Umzug, grün", 3);

        LabelBook book = LabelBook.Read(Metadata);
        Assert.Equal(["vor dem Umzug, grün", "later"], book.Labels.Select(label => label.Label));
        Assert.Equal(3u, book.Find("vor dem Umzug, grün", Lineage, currentEra: 9));
        Assert.Equal(7u, book.Find("later", lineage: null, currentEra: 7));
        Assert.Contains("grün", File.ReadAllText($"{Metadata}.labels"), StringComparison.Ordinal);

        LabelBook.Change(Metadata, changed => changed.Remove("later"));
        Assert.Equal(["vor dem Umzug, grün"], LabelBook.Read(Metadata).Labels.Select(label => label.Label));
        Assert.Contains("no such label", Refusal(() => LabelBook.Read(Metadata).Find("later", Lineage, 9)), StringComparison.Ordinal);
        Assert.Contains("no such label", Refusal(() => LabelBook.Change(Metadata, changed => changed.Remove("later"))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData("two\nlines")]
    [InlineData("42")]
    [InlineData("taken")]
    public void A_label_that_could_not_be_told_apart_is_refused_and_nothing_changes(string label)
    {
        Add("taken", 2);
        string before = File.ReadAllText($"{Metadata}.labels");

        Refusal(() => Add(label, 3));
        Refusal(() => Add(new string('x', 201), 3));

        Assert.Equal(before, File.ReadAllText($"{Metadata}.labels"));
    }

    [Fact]
    public void A_label_is_not_taken_for_one_of_other_metadata()
    {
        Add("snapshot", 5);
        LabelBook book = LabelBook.Read(Metadata);

        Assert.Contains("other metadata", Refusal(() => book.Find("snapshot", Guid.NewGuid(), 9)), StringComparison.Ordinal);
        Assert.Contains("put back from a copy", Refusal(() => book.Find("snapshot", Lineage, 4)), StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_killed_program_has_left_is_in_nobodys_way()
    {
        Add("one", 2);
        File.WriteAllText($"{Metadata}.labels.new", "half a fi");

        Add("two", 3);

        Assert.Equal(["one", "two"], LabelBook.Read(Metadata).Labels.Select(label => label.Label));
    }

    [Fact]
    public void Two_programs_do_not_change_labels_at_once()
    {
        string? refusal = null;
        LabelBook.Change(Metadata, _ => refusal = Refusal(() => Add("other", 1)));

        Assert.Contains("somebody else is changing", refusal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[null]")]
    [InlineData("[{}]")]
    [InlineData("{\"label\":1}")]
    public void A_damaged_file_is_named_and_never_overwritten(string content)
    {
        File.WriteAllText($"{Metadata}.labels", content);

        Assert.Contains($"{Metadata}.labels: damaged", Refusal(() => LabelBook.Read(Metadata)), StringComparison.Ordinal);
        Refusal(() => Add("new", 1));

        Assert.Equal(content, File.ReadAllText($"{Metadata}.labels"));
    }

    [Fact]
    public void Labels_of_metadata_on_a_block_device_are_kept_where_the_system_keeps_state() =>
        Assert.Equal("/var/lib/era/mapper%2Fvg-meta.labels", LabelBook.PathFor("/dev/mapper/vg-meta"));

    public void Dispose() => _folder.Dispose();

    private static string Refusal(Action action) => Assert.Throws<LabelException>(action).Message;

    private void Add(string label, uint era) => LabelBook.Change(Metadata, book =>
    {
        book.Add(new EraLabel(label, era, DateTimeOffset.UnixEpoch, Lineage));
        return era;
    });
}
