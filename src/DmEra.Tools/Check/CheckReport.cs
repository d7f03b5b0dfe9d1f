namespace DmEra.Tools.Check;

/// <summary>What a check has found.</summary>
/// <param name="Faults">The faults, at most a thousand of them.</param>
/// <param name="DamageCount">Faults of level <see cref="FaultLevel.Damage"/>, in all.</param>
/// <param name="LeakCount">Faults of level <see cref="FaultLevel.Leak"/>, in all.</param>
/// <param name="CosmeticCount">Faults of level <see cref="FaultLevel.Cosmetic"/>, in all.</param>
/// <param name="InDoubt">The lists of changed blocks that cannot be relied on.</param>
/// <param name="Facts">What the superblock says; null when it cannot be read.</param>
public sealed record CheckReport(
    IReadOnlyList<Fault> Faults,
    int DamageCount,
    int LeakCount,
    int CosmeticCount,
    ChangeLists InDoubt,
    MetadataFacts? Facts)
{
    /// <summary>True when the list of changed blocks can be relied on: no block that was written is missing.</summary>
    public bool IsTrustworthy => !InDoubt.HasFlag(ChangeLists.Live);

    /// <summary>The same of the metadata snapshot's list; null when there is no snapshot.</summary>
    public bool? IsSnapshotTrustworthy =>
        Facts is null or { SnapshotBlock: null } ? null : !InDoubt.HasFlag(ChangeLists.Snapshot);
}

/// <summary>What metadata says of itself.</summary>
/// <param name="DataBlockSize">Size of an origin block in sectors.</param>
/// <param name="NrBlocks">Origin blocks.</param>
/// <param name="CurrentEra">The era that is open, or was archived last.</param>
/// <param name="HasOpenEra">True when the era is open: the device runs, or crashed.</param>
/// <param name="SnapshotBlock">Where the metadata snapshot is; null = there is none.</param>
/// <param name="MetadataBlocksUsed">Metadata blocks in use.</param>
/// <param name="MetadataBlocks">Metadata blocks.</param>
public sealed record MetadataFacts(
    uint DataBlockSize,
    uint NrBlocks,
    uint CurrentEra,
    bool HasOpenEra,
    ulong? SnapshotBlock,
    ulong MetadataBlocksUsed,
    ulong MetadataBlocks);
