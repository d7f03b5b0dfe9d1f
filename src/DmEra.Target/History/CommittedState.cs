using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;
using DmEra.Target.Metadata;

namespace DmEra.Target.History;

/// <summary>A writeset that is in force: archived and not yet digested, or open.</summary>
/// <param name="Era">The era whose writes it marks.</param>
/// <param name="NrBits">Origin blocks it knows of; the origin may have been resized since.</param>
/// <param name="Root">Root of its bitset.</param>
public readonly record struct WritesetRef(uint Era, uint NrBits, ulong Root)
{
    /// <summary>The 64-bit words of its bitset.</summary>
    public ArrayRef Words => new(Root, PersistentBitset.WordsFor(NrBits));
}

/// <summary>
/// Where one committed state keeps what it knows: a block was last written in the highest of its entry in the era
/// array and the eras of the writesets that mark it.
/// </summary>
public sealed class CommittedState
{
    private CommittedState(Superblock superblock, IReadOnlyList<WritesetRef> writesets)
    {
        Lineage = superblock.Lineage;
        CurrentEra = superblock.CurrentEra;
        NrBlocks = superblock.NrBlocks;
        DataBlockSize = superblock.DataBlockSize;
        EraArray = new ArrayRef(superblock.EraArrayRoot, NrBlocks);
        Writesets = writesets;
    }

    /// <summary>Identifies the metadata; null when that is blank.</summary>
    public Guid? Lineage { get; }

    /// <summary>The era that is open, or was archived last.</summary>
    public uint CurrentEra { get; }

    /// <summary>Origin blocks.</summary>
    public uint NrBlocks { get; }

    /// <summary>Size of an origin block in sectors.</summary>
    public uint DataBlockSize { get; }

    /// <summary>The era of each origin block, as far as digested; 0 = never written.</summary>
    public ArrayRef EraArray { get; }

    /// <summary>The archived writesets in ascending order, then the open one.</summary>
    public IReadOnlyList<WritesetRef> Writesets { get; }

    /// <summary>Reads the superblock at <paramref name="address"/>: 0, or where the metadata snapshot is.</summary>
    /// <exception cref="MetadataCorruptException">It is damaged.</exception>
    public static Superblock ReadSuperblock(MetadataReader reader, ulong address) =>
        MemoryMarshal.Read<Superblock>(reader.Read(address, SuperblockValidator.Instance));

    /// <summary>Reads what a superblock leads to.</summary>
    /// <param name="reader">Reads the metadata.</param>
    /// <param name="superblock">The live one, or a metadata snapshot's.</param>
    /// <param name="onLost">Told of parts of the writeset tree that cannot be read: of writesets that are missing
    /// here, and may have marked any block. When nobody is told, they are errors.</param>
    /// <exception cref="MetadataCorruptException">The writeset tree is damaged, and nobody to tell.</exception>
    /// <exception cref="DeviceException">The device failed, and nobody to tell.</exception>
    public static CommittedState Read(
        MetadataReader reader, Superblock superblock, Action<LostPiece>? onLost = null)
    {
        List<WritesetRef> writesets = ReadWritesetTree(reader, superblock, onLost);
        WritesetRecord open = superblock.CurrentWriteset;
        // A snapshot has a writeset in this field that was not yet written to, and whose blocks were reused since.
        bool isSnapshot = superblock.BlockNumber != Superblock.Location;
        if (open.Root != 0 && !isSnapshot) writesets.Add(new WritesetRef(superblock.CurrentEra, open.NrBits, open.Root));
        return new CommittedState(superblock, writesets);
    }

    private static List<WritesetRef> ReadWritesetTree(
        MetadataReader reader, Superblock superblock, Action<LostPiece>? onLost)
    {
        List<WritesetRef> writesets = [];
        TreeWalk<WritesetRecord> tree = new(reader);
        tree.Seek(superblock.WritesetTreeRoot, 0);
        while (tree.MoveNext())
        {
            if ((tree.Fault ?? AddWritesets(tree, writesets)) is not Exception fault) continue;
            if (onLost is null) ExceptionDispatchInfo.Throw(fault);
            onLost(new LostPiece("writeset tree", new BlockRange(0, superblock.NrBlocks), [.. tree.Path], fault));
        }

        return writesets;
    }

    private static MetadataCorruptException? AddWritesets(TreeWalk<WritesetRecord> leaf, List<WritesetRef> writesets)
    {
        for (int i = 0; i < leaf.Keys.Length; i++)
        {
            ulong era = leaf.Keys[i];
            if (era > uint.MaxValue)
                return new(leaf.Path[^1], $"btree node: era {era} is out of range", MetadataCorruption.Damaged);
            WritesetRecord record = leaf.Values[i];
            writesets.Add(new WritesetRef((uint)era, record.NrBits, record.Root));
        }

        return null;
    }
}
