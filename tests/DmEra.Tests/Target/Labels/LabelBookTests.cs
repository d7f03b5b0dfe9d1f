using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.Labels;

namespace DmEra.Tests.Target.Labels;

/// <summary>Labels of eras, in their file.</summary>
public sealed class LabelBookTests : IDisposable
{
    private static readonly Guid Lineage = Guid.NewGuid();

    private readonly TempFolder _folder = new();
    private readonly List<string> _remarks = [];

    private string Metadata => _folder["disk.era"];

    [Fact]
    public void A_label_stands_for_its_era_until_it_is_removed()
    {
        Assert.Empty(LabelBook.Read(Metadata).Labels);
        Add("later", 7);
        Add("vor dem Umzug, grün", 3);

        LabelBook book = LabelBook.Read(Metadata);
        Assert.Equal(["vor dem Umzug, grün", "later"], book.Labels.Select(label => label.Label));
        Assert.Equal(3u, Find(book, "vor dem Umzug, grün", Lineage, 9));
        Assert.Equal(7u, Find(book, "later", null, 7));
        Assert.Contains("grün", File.ReadAllText($"{Metadata}.labels"), StringComparison.Ordinal);

        LabelBook.Change(Metadata, changed => changed.Remove("later"));
        Assert.Equal(["vor dem Umzug, grün"], LabelBook.Read(Metadata).Labels.Select(label => label.Label));
        Assert.Contains("no such label", Refusal(() => Find(LabelBook.Read(Metadata), "later", Lineage, 9)), StringComparison.Ordinal);
        Assert.Contains("no such label", Refusal(() => LabelBook.Change(Metadata, changed => changed.Remove("later"))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData("two\nlines")]
    [InlineData("42")]
    [InlineData("7:59f04cd3-dc06-4352-847f-3c83cfc2dcf9")]
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

        Assert.Contains("other metadata", Refusal(() => Find(book, "snapshot", Guid.NewGuid(), 9)), StringComparison.Ordinal);
        Assert.Contains("put back from a copy", Refusal(() => Find(book, "snapshot", Lineage, 4)), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_file_is_neither_followed_nor_waited_for()
    {
        File.CreateSymbolicLink($"{Metadata}.labels.lock", _folder["elsewhere"]);
        Assert.Contains("no link to one", Assert.Throws<DeviceException>(() => Add("label", 1)).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["elsewhere"]));
        File.Delete($"{Metadata}.labels.lock");

        Oracle.Run("mkfifo", $"{Metadata}.labels").AssertSuccess();
        Assert.Throws<DeviceException>(() => LabelBook.Read(Metadata));
        Assert.Throws<DeviceException>(() => Add("label", 1));
        File.Delete($"{Metadata}.labels");

        File.WriteAllText(_folder["other"], "[]");
        File.CreateSymbolicLink($"{Metadata}.labels", _folder["other"]);
        Assert.Throws<DeviceException>(() => LabelBook.Read(Metadata));
    }

    [Fact]
    public void A_label_promises_nothing_across_a_gap()
    {
        Add("snapshot", 5);
        LabelBook book = LabelBook.Read(Metadata);

        Assert.Equal(5u, book.Find("snapshot", new HistoryIdentity(Lineage, 9, Gap: 4, _ => null), _remarks.Add));
        Assert.Contains(
            "before era 6 began, writes were missed",
            Refusal(() => book.Find("snapshot", new HistoryIdentity(Lineage, 9, Gap: 6, _ => null), _remarks.Add)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_label_with_a_mark_is_of_the_history_that_has_it_whatever_is_known_of_the_lineage()
    {
        Guid mark = Guid.NewGuid();
        LabelBook.Change(Metadata, book =>
        {
            book.Add(new EraLabel("marked", 5, DateTimeOffset.UnixEpoch, Lineage, mark));
            return 5;
        });
        LabelBook book = LabelBook.Read(Metadata);

        Assert.Equal(5u, book.Find("marked", new HistoryIdentity(null, 9, Gap: 0, era => era == 5 ? mark : null), _remarks.Add));
        Assert.Empty(_remarks);
        foreach (Guid? other in (Guid?[])[null, Guid.NewGuid()])
        {
            Assert.Contains(
                "no era 5 with that mark",
                Refusal(() => book.Find("marked", new HistoryIdentity(Lineage, 9, Gap: 0, _ => other), _remarks.Add)),
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_label_that_nothing_but_its_number_speaks_for_is_said_to_be_taken_on_trust()
    {
        Add("here", 5);

        Assert.Equal(5u, Find(LabelBook.Read(Metadata), "here", null, 9));
        Assert.Contains("nothing but its number", Assert.Single(_remarks), StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_of_earlier_versions_have_no_mark_and_are_read()
    {
        File.WriteAllText($"{Metadata}.labels", $$"""[{"label":"old","era":3,"given":"2026-01-01T00:00:00+00:00","lineage":"{{Lineage}}"}]""");

        EraLabel old = Assert.Single(LabelBook.Read(Metadata).Labels);
        Assert.Equal((3u, Lineage, null), (old.Era, old.Lineage, old.Mark));
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

    private uint Find(LabelBook book, string label, Guid? lineage, uint currentEra) =>
        book.Find(label, new HistoryIdentity(lineage, currentEra, Gap: 0, _ => null), _remarks.Add);

    private static string Refusal(Action action) => Assert.Throws<LabelException>(action).Message;

    private void Add(string label, uint era) => LabelBook.Change(Metadata, book =>
    {
        book.Add(new EraLabel(label, era, DateTimeOffset.UnixEpoch, Lineage));
        return era;
    });
}
