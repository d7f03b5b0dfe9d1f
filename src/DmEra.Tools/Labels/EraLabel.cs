namespace DmEra.Tools.Labels;

/// <summary>What the user calls the beginning of an era: a moment, such as that of a snapshot of the origin.</summary>
/// <param name="Label">The name.</param>
/// <param name="Era">The era that began then: what it and later ones have written, was written since.</param>
/// <param name="Given">When it was given.</param>
/// <param name="Lineage">Identifies the metadata whose era it is; null when that was not known.</param>
public sealed record EraLabel(string Label, uint Era, DateTimeOffset Given, Guid? Lineage)
{
    /// <summary>Whether it may be of metadata with this lineage; null when that is not known.</summary>
    public bool IsOf(Guid? lineage) => Lineage is null || lineage is null || Lineage == lineage;
}
