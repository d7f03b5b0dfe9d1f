namespace DmEra.Target.Chronicles;

/// <summary>A history of writes, to be told from others that have the same numbers.</summary>
/// <param name="Lineage">Identifies the metadata; null when that is not known.</param>
/// <param name="CurrentEra">Its current era.</param>
/// <param name="MarkOf">The mark of an era's beginning; null when it has none.</param>
public sealed record HistoryIdentity(Guid? Lineage, uint CurrentEra, Func<uint, Guid?> MarkOf)
{
    /// <summary>Why a list of what was written since a moment cannot be had from this history, and what to do, as the end of a
    /// line; null when it can.</summary>
    public string? WhyUnknown(EraMark moment) => moment.IsKnownAs(MarkOf(moment.Era)) ? null
        : $"this history has no era {moment.Era} with that mark: the metadata was put back from a copy, or is a clone's, or its "
            + "chronicle was lost; copy everything once, and go on from there";
}
