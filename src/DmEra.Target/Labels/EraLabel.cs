using DmEra.Target.Chronicles;

namespace DmEra.Target.Labels;

/// <summary>What the user calls the beginning of an era: a moment, such as that of a snapshot of the origin.</summary>
/// <param name="Label">The name.</param>
/// <param name="Era">The era that began then: what it and later ones have written, was written since.</param>
/// <param name="Given">When it was given.</param>
/// <param name="Lineage">Identifies the metadata whose era it is; null when that was not known.</param>
/// <param name="Mark">The mark of the era's beginning; null when it has none, as an era of the kernel.</param>
public sealed record EraLabel(string Label, uint Era, DateTimeOffset Given, Guid? Lineage, Guid? Mark = null)
{
    /// <summary>Why it is not of a history, as the end of a line; null when it is, as far as can be told.</summary>
    public string? WhyNotOf(HistoryIdentity history) =>
        Lineage is not null && history.Lineage is not null && Lineage != history.Lineage
            ? $"was given to other metadata (lineage {Lineage}, not {history.Lineage})"
        : Era > history.CurrentEra
            ? $"is era {Era}, and the metadata is at era {history.CurrentEra}: it was put back from a copy, or is of another device"
        : history.WhyUnknown(Era, Mark) is string why ? $"is era {Era}, and {why}"
        : null;

    /// <summary>Whether only its number speaks for it: neither a mark nor the lineage can be compared.</summary>
    public bool IsTakenOnTrust(HistoryIdentity history) => Mark is null && (Lineage is null || history.Lineage is null);
}
