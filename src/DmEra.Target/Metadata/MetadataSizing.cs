namespace DmEra.Target.Metadata;

/// <summary>How large metadata should be for a device.</summary>
public static class MetadataSizing
{
    private const int BlockSize = 4096;
    private const long ErasPerBlock = 1018;             // values of an array block of the era array
    private const long BitsPerBlock = 509 * 64;         // bits of an array block of a writeset
    private const long UndigestedWritesets = 16;
    private const long Granularity = 1 << 20;
    private const long Smallest = 4 << 20;
    private const long Largest = 255L * 16320 * BlockSize;

    /// <summary>Bytes of metadata that suffice for a device of this many origin blocks with a metadata snapshot held
    /// and some writesets not yet digested. Metadata in a file grows on if it must; on a block device this is the
    /// size to choose.</summary>
    public static long SuggestedBytes(long originBlocks)
    {
        long eraArray = BlocksOf(originBlocks, ErasPerBlock);
        long writeset = BlocksOf(originBlocks, BitsPerBlock);

        // The array as it is, as the snapshot holds it, and what one transaction of digestion copies of it.
        long blocks = (3 * eraArray) + (UndigestedWritesets * writeset) + 64;
        long bytes = (blocks * BlockSize) + Granularity - 1;
        return Math.Clamp(bytes - (bytes % Granularity), Smallest, Largest);
    }

    private static long BlocksOf(long values, long perBlock) => ((values + perBlock - 1) / perBlock) + 1;
}
