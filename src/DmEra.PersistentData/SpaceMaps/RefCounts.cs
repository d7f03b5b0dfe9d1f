using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.SpaceMaps;

/// <summary>The faults of reference counts: each means that some block holds a pointer that it should not.</summary>
internal static class RefCounts
{
    public static MetadataCorruptException NoSuchBlock(ulong block, ulong blockCount) =>
        Corrupt(block, $"is pointed at, but there are only {blockCount} blocks");

    public static MetadataCorruptException BelowZero(ulong block, uint pointers, uint count) =>
        Corrupt(block, $"loses {(pointers == 1 ? "a pointer" : $"{pointers} pointers")}, but its reference count is {count}");

    public static MetadataCorruptException TooMany(ulong block) =>
        Corrupt(block, "has more pointers than can be counted");

    private static MetadataCorruptException Corrupt(ulong block, string cause) =>
        new(block, cause, MetadataCorruption.Damaged);
}
