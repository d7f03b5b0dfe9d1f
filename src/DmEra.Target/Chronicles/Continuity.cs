using DmEra.Devices;
using DmEra.Target.Metadata;

namespace DmEra.Target.Chronicles;

/// <summary>Whether metadata and origin are as a chronicle left them. Answers are the end of a line for people.</summary>
internal static class Continuity
{
    /// <summary>Why a chronicle is of another history than the metadata: then none of its marks counts; null when it is of
    /// the same.</summary>
    /// <param name="chronicle">The chronicle.</param>
    /// <param name="found">The metadata.</param>
    /// <param name="isGap">True when writes were recorded that the metadata knows nothing of.</param>
    public static string? WhyAnother(ChronicleFile chronicle, MetadataState found, out bool isGap)
    {
        isGap = false;
        Guid? lineage = chronicle.Header.KnownLineage;
        if (found.Lineage is not null && lineage != found.Lineage) return "the metadata is other metadata than before";
        if (chronicle.Last is not { } last) return null;

        // A chronicle is written after the metadata: it is never ahead of it, whenever the power goes.
        bool isBegun = last.Event == (uint)ChronicleEvent.Begun;
        uint begun = isBegun ? last.Era : last.Era - 1;
        bool isOpenAgain = last.Event == (uint)ChronicleEvent.Ended && found.CurrentEra == begun && found.IsEraOpen;
        // The kernel blanks a lineage, too, but begins an era when it does.
        bool isRestored = lineage is not null && found.Lineage is null && found.CurrentEra == begun;
        isGap = found.CurrentEra < begun || isOpenAgain || isRestored;
        return isGap
            ? $"the metadata was put back from a copy: it is at era {found.CurrentEra}, and era {begun} had "
                + (isBegun || found.CurrentEra < begun ? "begun" : "ended")
            : null;
    }

    /// <summary>How somebody else has changed the origin since the last era ended; null when nothing tells of it.</summary>
    public static string? OriginChange(ChronicleRecord last, MetadataState found, FileStamp origin)
    {
        // In use it changes all the time. Eras that the kernel has begun since have changed it; in those of a device that is known by
        // its lineage nobody was let in, or it would be written down that they began.
        bool wasInUse = last.OriginModified == 0 || (found.Lineage is null && found.CurrentEra != last.Era - 1);
        if (wasInUse || origin.Inode == 0) return null;
        if (origin.Length != (long)(ulong)last.OriginLength) return $"its size was {(ulong)last.OriginLength} bytes and is {origin.Length}";
        if (origin.Inode != last.OriginInode) return "it is another file";
        return origin.ModifiedNanoseconds != (long)(ulong)last.OriginModified
            ? $"it was written to at {DateTimeOffset.UnixEpoch.AddTicks(origin.ModifiedNanoseconds / 100):yyyy-MM-dd HH:mm:ss} UTC"
            : null;
    }

    /// <summary>The line about a change of the origin.</summary>
    public static string Describe(string change, uint era) =>
        $"the origin was changed by something else since era {era} ended ({change}): lists of changes since then or before cannot "
            + "know of it; take a full image, and copy as a whole what is kept up to date by lists";
}
