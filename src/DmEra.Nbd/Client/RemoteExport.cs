using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Client;

/// <summary>What a server said of its export.</summary>
/// <param name="Length">Bytes.</param>
/// <param name="Flags">What it can do.</param>
/// <param name="MinimumBlock">Offsets and lengths must be multiples of this.</param>
/// <param name="MaximumPayload">Most bytes in a read or write.</param>
/// <param name="HasChunks">Whether replies are structured.</param>
/// <param name="AllocationId">The number of the context <c>base:allocation</c>; null when there is none.</param>
internal sealed record RemoteExport(
    long Length,
    TransmissionFlags Flags,
    int MinimumBlock,
    int MaximumPayload,
    bool HasChunks,
    uint? AllocationId)
{
    /// <summary>Whether it is the same export. The number of a context may be another one on each connection.</summary>
    public bool IsSameAs(RemoteExport other) =>
        this with { AllocationId = null } == other with { AllocationId = null } && AllocationId.HasValue == other.AllocationId.HasValue;

    public bool Can(TransmissionFlags flags) => (Flags & flags) == flags;
}
