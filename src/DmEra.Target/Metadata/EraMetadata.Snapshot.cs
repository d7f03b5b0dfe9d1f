using System.Diagnostics;
using System.Runtime.InteropServices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.Metadata;

// The metadata snapshot: a copy of the superblock that keeps the trees of its time alive.
internal sealed partial class EraMetadata
{
    /// <summary>Shares writeset tree and era array with a copy of the superblock. To be the first thing in its
    /// transaction: below a shared root, blocks that are new in the same transaction would still be changed in
    /// place, though two trees see them.</summary>
    public void TakeSnapshot()
    {
        if (_superblock.MetadataSnap != 0) throw new UnreachableException("a metadata snapshot is held already");
        using WriteBlock copy = _transactions.NewBlock(SuperblockValidator.Instance);
        MemoryMarshal.Write(copy.Data, in _superblock);
        _transactions.Inc(_superblock.WritesetTreeRoot);
        _transactions.Inc(_superblock.EraArrayRoot);
        _superblock.MetadataSnap = copy.Address;
    }

    /// <summary>Reads the superblock of the snapshot, which changes nothing.</summary>
    /// <exception cref="MetadataCorruptException">It is damaged.</exception>
    public Superblock ReadSnapshot()
    {
        using ReadBlock block = _transactions.Read(_superblock.MetadataSnap, SuperblockValidator.Instance);
        return MemoryMarshal.Read<Superblock>(block.Data);
    }

    /// <summary>Gives up what the snapshot alone keeps alive.</summary>
    /// <param name="snapshot">Its superblock.</param>
    public void DropSnapshot(in Superblock snapshot)
    {
        _writesets.Delete(snapshot.WritesetTreeRoot);
        _eraArray.Delete(snapshot.EraArrayRoot);
        _transactions.Dec(_superblock.MetadataSnap);
        _superblock.MetadataSnap = 0;
    }
}
