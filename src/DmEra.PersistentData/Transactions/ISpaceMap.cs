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

    /// <summary>Blocks that <see cref="Allocate"/> can hand out without taking more space.</summary>
    ulong FreeBlocks { get; }

    /// <summary>How often a block is pointed at, with all changes of the running transaction.</summary>
    /// <exception cref="MetadataCorruptException">There is no such block.</exception>
    uint Count(ulong block);

    /// <summary>More pointers to this block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="pointers">How many.</param>
    /// <exception cref="MetadataCorruptException">There is no such block, or its count is at the limit.</exception>
    void Inc(ulong block, uint pointers = 1);

    /// <summary>Fewer pointers to this block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="pointers">How many.</param>
    /// <exception cref="MetadataCorruptException">There is no such block, or so many did not point at it.</exception>
    void Dec(ulong block, uint pointers = 1);

    /// <summary>Finds a block that is free now and in the metadata last committed; its count becomes 1.</summary>
    /// <exception cref="MetadataFullException">There is none.</exception>
    ulong Allocate();
}
