using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.Metadata;

/// <summary>Where the history of metadata stands.</summary>
/// <param name="Lineage">Identifies the metadata; null when that is not known.</param>
/// <param name="CurrentEra">The era that is open, or was archived last.</param>
/// <param name="IsEraOpen">Whether that era goes on.</param>
public readonly record struct MetadataState(Guid? Lineage, uint CurrentEra, bool IsEraOpen)
{
    /// <summary>Reads it from metadata that somebody may be writing.</summary>
    /// <exception cref="MetadataCorruptException">It is no era metadata, or its superblock is damaged.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public static MetadataState Read(IBlockDevice metadata)
    {
        byte[] block = new byte[BlockManager.BlockSize];
        metadata.Read(0, block);
        SuperblockValidator.Instance.Check(Superblock.Location, block);
        return Of(MemoryMarshal.Read<Superblock>(block));
    }

    internal static MetadataState Of(in Superblock superblock) =>
        new(superblock.Lineage, superblock.CurrentEra, superblock.CurrentWriteset.Root != 0);
}
