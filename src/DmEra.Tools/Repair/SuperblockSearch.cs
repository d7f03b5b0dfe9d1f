using System.Buffers.Binary;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.Target.Metadata;
using DmEra.Tools.Writing;

namespace DmEra.Tools.Repair;

/// <summary>Goes through every block of metadata that has lost its superblock: for the latest copy of it that a metadata
/// snapshot left somewhere, and for the latest era that is mentioned anywhere.</summary>
internal sealed class SuperblockSearch
{
    private SuperblockSearch()
    {
    }

    /// <summary>The copy of the latest era; null when there is none.</summary>
    public Superblock? Latest { get; private set; }

    /// <summary>The latest era that is mentioned. The current one can be later.</summary>
    public uint LatestEra { get; private set; }

    /// <summary>Searches.</summary>
    /// <exception cref="OperationCanceledException">The search was to stop.</exception>
    public static SuperblockSearch Run(IBlockDevice metadata)
    {
        SuperblockSearch search = new();
        byte[] block = new byte[BlockManager.BlockSize];
        ulong blocks = (ulong)metadata.Length / BlockManager.BlockSize;
        for (ulong address = 1; address < blocks; address++)
        {
            try { search.Read(metadata, address, block); }
            catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
            {
                // Whatever was there tells nothing.
            }
        }

        return search;
    }

    private void Read(IBlockDevice metadata, ulong address, byte[] block)
    {
        metadata.Read((long)address * BlockManager.BlockSize, block);
        // Types of blocks differ in a constant that is mixed into the checksum.
        uint salt = BinaryPrimitives.ReadUInt32LittleEndian(block) ^ Crc32C.OfBlock(block, 0);
        if (salt == SuperblockValidator.Instance.Salt)
        {
            SuperblockValidator.Instance.Check(address, block);
            Take(MemoryMarshal.Read<Superblock>(block));
        }
        else if (salt == BTreeNodeValidator.Instance.Salt && ReadNode.Fits<WritesetRecord>(block))
        {
            BTreeNodeValidator.Instance.Check(address, block);
            ReadNode node = new(block);
            if (node.IsLeaf && node.Count > 0) Take(node.Keys[^1]);
        }
        else if (salt == ArrayBlockValidator.Instance.Salt)
        {
            ArrayBlockValidator.Instance.Check(address, block);
            if (MemoryMarshal.AsRef<ArrayBlockHeader>(block).ValueSize != sizeof(uint)) return;
            foreach (Le32 era in ArrayBlockHeader.Values<Le32>(block)) Take((ulong)era);
        }
    }

    private void Take(Superblock superblock)
    {
        if (!EraGeometry.IsPossibleBlockSize(superblock.DataBlockSize)) return;
        if (Latest is null || superblock.CurrentEra > Latest.Value.CurrentEra) Latest = superblock;
        Take((ulong)superblock.CurrentEra);
    }

    private void Take(ulong era)
    {
        if (era <= uint.MaxValue && era > LatestEra) LatestEra = (uint)era;
    }
}
