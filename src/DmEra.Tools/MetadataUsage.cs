using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.History;
using DmEra.Target.Metadata;

namespace DmEra.Tools;

/// <summary>How much there is to read.</summary>
public static class MetadataUsage
{
    /// <summary>Bytes in use, as the metadata says itself; all of the device when it does not tell.</summary>
    public static long BytesInUse(IBlockDevice metadata)
    {
        try
        {
            Superblock superblock = CommittedState.ReadSuperblock(new MetadataReader(metadata), Superblock.Location);
            ReadOnlySpan<byte> field = superblock.MetadataSpaceMapRoot;
            ulong blocks = MemoryMarshal.Read<SpaceMapRoot>(field).NrAllocated;
            return (long)Math.Min(blocks, (ulong)metadata.Length / BlockManager.BlockSize) * BlockManager.BlockSize;
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            return metadata.Length;
        }
    }
}
