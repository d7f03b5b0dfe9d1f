using System.Globalization;
using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.Labels;

namespace DmEra.Target.Mapping;

/// <summary>
/// What an era device can tell of its blocks: <c>era:last</c>, the era of each one's last write; and, for every era,
/// <c>era:since-ERA</c>, whether it was written in that era or later. The latter is also there as
/// <c>qemu:dirty-bitmap:since-ERA</c>, the form in which backup tools read the bitmaps of QEMU. An era is meant by its
/// number, by number and mark (<c>ERA:MARK</c>), or by a label.
/// </summary>
/// <param name="target">The device.</param>
/// <param name="labels">What its eras are called; null: nothing.</param>
public sealed class EraContexts(EraTarget target, IEraLabels? labels = null) : IBlockStatusCatalog
{
    // The rest are found when asked for: one to each of thousands of eras would be no list to read.
    private const uint ListedEras = 8;

    private const string Last = "era:last";
    private const string BitmapPrefix = "qemu:dirty-bitmap:since-";
    private static readonly string[] SincePrefixes = ["era:since-", BitmapPrefix];

    /// <inheritdoc/>
    /// <remarks>All that have a label, and of the numbers the latest.</remarks>
    public IReadOnlyCollection<string> Names
    {
        get
        {
            uint current = target.Status.CurrentEra;
            string[] eras =
            [
                .. ReadLabels().Select(labelled => labelled.Label),
                .. Enumerable.Range(0, (int)Math.Min(current, ListedEras)).Select(ago => Text(current - (uint)ago)),
            ];
            return [Last, .. SincePrefixes.SelectMany(prefix => eras.Select(era => prefix + era))];
        }
    }

    /// <inheritdoc/>
    public IBlockStatusContext? Find(string name)
    {
        if (string.Equals(name, Last, StringComparison.Ordinal)) return new LastWrittenContext(name, target);
        return SincePrefixes.FirstOrDefault(prefix => name.StartsWith(prefix, StringComparison.Ordinal)) is { } prefix
            ? FindSince(name, name[prefix.Length..])
            : null;
    }

    /// <summary>What was written since an era, given by number or label, in the form of QEMU's bitmaps; null when there is no
    /// such era.</summary>
    public IBlockStatusContext? FindBitmap(string era) => Find(BitmapPrefix + era);

    private WrittenSinceContext? FindSince(string name, string since)
    {
        if (uint.TryParse(since, NumberStyles.None, CultureInfo.InvariantCulture, out uint era))
        {
            return HasBegun(era) && string.Equals(since, Text(era), StringComparison.Ordinal)
                ? new WrittenSinceContext(name, era, static () => false, target)
                : null;
        }

        LabelledEra[] found = EraMark.TryParse(since, out EraMark moment)
            ? [new LabelledEra(moment.ToString(), moment.Era, moment.Mark)]
            : [.. ReadLabels()];
        foreach (LabelledEra labelled in found.Where(other => string.Equals(other.Label, since, StringComparison.Ordinal)))
        {
            Func<bool> isUnknown = IsUnknown(labelled);
            if (HasBegun(labelled.Era) && !isUnknown()) return new WrittenSinceContext(name, labelled.Era, isUnknown, target);
        }

        return null;
    }

    // A mark and a label are promises of a history, and not only of a number.
    private Func<bool> IsUnknown(LabelledEra moment)
    {
        Guid? lineage = target.Lineage;
        return () =>
        {
            HistoryIdentity history = target.History;
            bool isOther = lineage is not null && history.Lineage is not null && lineage != history.Lineage;
            return isOther || history.WhyUnknown(moment.Era, moment.Mark) is not null;
        };
    }

    private IEnumerable<LabelledEra> ReadLabels() =>
        labels is null ? [] : labels.Read().Where(labelled => HasBegun(labelled.Era));

    // An era to come is one of other metadata, which was lost: "nothing was written since" would be a lie.
    private bool HasBegun(uint era) => era <= target.Status.CurrentEra;

    private static string Text(uint era) => era.ToString(CultureInfo.InvariantCulture);
}
