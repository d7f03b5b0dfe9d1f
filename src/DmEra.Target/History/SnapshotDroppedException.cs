using DmEra.PersistentData.Blocks;

namespace DmEra.Target.History;

/// <summary>A metadata snapshot was dropped while it was read: what was read of it so far cannot be relied on.</summary>
public sealed class SnapshotDroppedException()
    : MetadataException("the metadata snapshot was dropped while it was read: take a new one");
