using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;

namespace DmEra.Target.Metadata;

/// <summary>How large metadata should be for a device.</summary>
public static class MetadataSizing
{
    private const long UndigestedWritesets = 16;
    private const long Granularity = 1 << 20;
    private const long Smallest = 4 << 20;
    private const long Largest = (long)MetadataSpaceMap.MaxBlockCount * BlockManager.BlockSize;

    /// <summary>Bytes of metadata that suffice for a device of this many origin blocks with a metadata snapshot held
    /// and some writesets not yet digested. Metadata in a file grows on if it must; on a block device this is the
    /// size to choose.</summary>
    public static long SuggestedBytes(long originBlocks)
    {
        long eraArray = BlocksOf(originBlocks, ArrayShape.ValuesPerBlock<Le32>());
        long writeset = BlocksOf(originBlocks, PersistentBitset.BitsPerBlock);

        // The array as it is, as the snapshot holds it, and what one transaction of digestion copies of it.
        long blocks = (3 * eraArray) + (UndigestedWritesets * writeset) + 64;
        long bytes = (blocks * BlockManager.BlockSize) + Granularity - 1;
        return Math.Clamp(bytes - (bytes % Granularity), Smallest, Largest);
    }

    private static long BlocksOf(long values, long perBlock) => ((values + perBlock - 1) / perBlock) + 1;
}
