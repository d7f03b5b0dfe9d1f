namespace DmEra.Simulation;

/// <summary>A device at rest as it was once, kept like a snapshot of its file systems.</summary>
/// <param name="Metadata">The metadata.</param>
/// <param name="Origin">The origin.</param>
/// <param name="Chronicle">The chronicle.</param>
/// <param name="NextEra">The era that began after it.</param>
/// <param name="Length">Sectors of the device.</param>
internal sealed record SavedState(byte[] Metadata, byte[] Origin, byte[]? Chronicle, uint NextEra, int Length);

/// <summary>What is put back to how it was saved.</summary>
internal enum Rollback
{
    /// <summary>All of it, as when a virtual machine goes back to a snapshot.</summary>
    Everything,

    /// <summary>Metadata and origin, from copies; the chronicle is as it was.</summary>
    MetadataAndOrigin,

    /// <summary>The metadata alone, from a copy.</summary>
    Metadata,

    /// <summary>The origin alone. Nobody tells era, so everybody who makes copies must begin anew; but who knows what the saved origin
    /// held needs only what is listed since.</summary>
    Origin,
}
