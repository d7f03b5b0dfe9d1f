namespace DmEra.Target.Chronicles;

/// <summary>A history of writes, to be told from others that have the same numbers.</summary>
/// <param name="Lineage">Identifies the metadata; null when that is not known.</param>
/// <param name="CurrentEra">Its current era.</param>
/// <param name="Gap">The era before whose beginning writes were last missed; 0 when nothing is known of such a thing.</param>
/// <param name="MarkOf">The mark of an era's beginning; null when it has none.</param>
public sealed record HistoryIdentity(Guid? Lineage, uint CurrentEra, uint Gap, Func<uint, Guid?> MarkOf)
{
    /// <summary>False while metadata that was just read is being compared with the chronicle: until then nobody knows which history
    /// it is.</summary>
    public bool IsSettled { get; init; } = true;

    /// <summary>Why a list of what was written since a moment cannot be had from this history, and what to do, as the end of a
    /// line; null when it can.</summary>
    public string? WhyUnknown(EraMark moment) => WhyUnknown(moment.Era, moment.Mark);

    /// <summary>As <see cref="WhyUnknown(EraMark)"/>, for a moment that may have no mark, as one in an era of the kernel.</summary>
    /// <param name="era">The era that began then.</param>
    /// <param name="mark">Its mark; null: it had none.</param>
    public string? WhyUnknown(uint era, Guid? mark)
    {
        if (!IsSettled) return "the device is being resumed, and nobody knows yet which history it goes on with; try again";
        if (mark is Guid given && !new EraMark(era, given).IsKnownAs(MarkOf(era)))
        {
            return $"this history has no era {era} with that mark: the metadata was put back from a copy, or is a clone's, or its "
                + "chronicle was lost; copy everything once, and go on from there";
        }

        // A gap at this very moment is before or after it: the mark tells.
        return Gap > era || (Gap == era && Gap > 0 && mark is null)
            ? $"before era {Gap} began, writes were missed: the origin was changed by something else, or metadata was put back from a copy; "
                + $"copy everything once, and go on from there. Who knows what was missed asks since {era}, the number alone"
            : null;
    }
}
