using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.Transactions;

/// <summary>
/// How often each metadata block is pointed at, and which ones are free (kernel: <c>struct dm_space_map</c>).
/// A block with count 0 is free once that is committed. Belongs to the thread that owns the metadata.
/// </summary>
public interface ISpaceMap
{
    /// <summary>Blocks counted: addresses are below it.</summary>
    ulong BlockCount { get; }

    /// <summary>Blocks that <see cref="Allocate"/> can hand out without making the device longer.</summary>
    ulong FreeBlocks { get; }

    /// <summary>How often a block is pointed at, with all changes of the running transaction.</summary>
    /// <exception cref="MetadataCorruptException">There is no such block.</exception>
    uint Count(ulong block);

    /// <summary>One more pointer to this block.</summary>
    /// <exception cref="MetadataCorruptException">There is no such block, or its count is at the limit.</exception>
    void Inc(ulong block);

    /// <summary>One pointer to this block less.</summary>
    /// <exception cref="MetadataCorruptException">There is no such block, or nothing pointed at it.</exception>
    void Dec(ulong block);

    /// <summary>Finds a block that is free now and in the metadata last committed; its count becomes 1.</summary>
    /// <exception cref="MetadataFullException">There is none.</exception>
    ulong Allocate();
}
