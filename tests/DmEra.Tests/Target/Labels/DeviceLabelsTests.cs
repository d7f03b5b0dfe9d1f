using DmEra.Target.Mapping;
using DmEra.Target.Labels;

namespace DmEra.Tests.Target.Labels;

/// <summary>Labels of a device, read while it is served.</summary>
public sealed class DeviceLabelsTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly List<string> _log = [];
    private readonly EraTarget _target;
    private readonly DeviceLabels _labels;

    public DeviceLabelsTests()
    {
        EraTable table = new(0, 1024, _folder["disk.era"], "origin", 8);
        _target = EraTarget.Create(table, new ProbeDevice(1 << 20), new ProbeDevice(1 << 20), new EraTargetOptions());
        _target.Resume();
        for (uint era = 1; era < 5;) era = _target.Checkpoint();
        _labels = new DeviceLabels(table.MetadataPath, () => _target.History, _log.Add);
    }

    public void Dispose()
    {
        _target.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Labels_given_and_taken_away_while_the_device_is_served_are_known_at_once()
    {
        Assert.Empty(_labels.Read());

        Add("first", 1, _target.Lineage);
        Add("second", 5, lineage: null);
        Assert.Equal([("second", 5u), ("first", 1u)], _labels.Read().Select(label => (label.Label, label.Era)));

        LabelBook.Change(_target.Table.MetadataPath, book => book.Remove("first"));
        Assert.Equal(["second"], _labels.Read().Select(label => label.Label));
    }

    [Fact]
    public void Labels_of_other_metadata_are_none_of_this_device()
    {
        Add("other", 1, Guid.NewGuid());

        Assert.Empty(_labels.Read());
    }

    [Fact]
    public void A_label_is_found_by_its_name_and_one_of_another_history_is_refused_with_the_reason()
    {
        Add("first", 1, _target.Lineage);
        Add("trusted", 2, lineage: null);
        Add("other", 1, Guid.NewGuid());
        LabelBook.Change(_target.Table.MetadataPath, book =>
        {
            book.Add(new EraLabel("undone", 3, DateTimeOffset.UnixEpoch, _target.Lineage, Guid.NewGuid()));
            return 3;
        });

        Assert.Equal(1u, _labels.Find("first"));
        Assert.Empty(_log);
        Assert.Equal(2u, _labels.Find("trusted"));
        Assert.Contains("nothing but its number", Assert.Single(_log), StringComparison.Ordinal);
        Assert.Contains("other metadata", Refusal("other"), StringComparison.Ordinal);
        Assert.Contains("no era 3 with that mark", Refusal("undone"), StringComparison.Ordinal);
        Assert.Contains("no such label", Refusal("missing"), StringComparison.Ordinal);
        Assert.Equal(["trusted", "first"], _labels.Read().Select(labelled => labelled.Label));
    }

    [Fact]
    public void A_damaged_file_means_no_labels_and_is_reported_once()
    {
        File.WriteAllText(_folder["disk.era.labels"], "{");

        for (int i = 0; i < 3; i++) Assert.Empty(_labels.Read());

        Assert.Contains("disk.era.labels: damaged", Assert.Single(_log), StringComparison.Ordinal);
    }

    private string Refusal(string label) => Assert.Throws<LabelException>(() => _labels.Find(label)).Message;

    private void Add(string label, uint era, Guid? lineage) => LabelBook.Change(_target.Table.MetadataPath, book =>
    {
        book.Add(new EraLabel(label, era, DateTimeOffset.UnixEpoch, lineage));
        return era;
    });
}
