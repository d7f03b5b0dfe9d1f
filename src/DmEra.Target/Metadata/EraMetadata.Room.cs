using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.Metadata;

// Room that is kept back, so that full metadata is no dead end: writing stops before there is too little left to
// digest, to end an era, to begin one, or to drop the snapshot. All numbers are upper bounds in metadata blocks.
internal sealed partial class EraMetadata
{
    // A tree that never had more entries than this has a single node.
    private const ulong IndexLeafEntries = 252;
    private const ulong WritesetLeafEntries = 201;

    /// <summary>Metadata blocks that can be allocated now, without taking more space.</summary>
    public ulong FreeBlocks => _store.SpaceMap.FreeBlocks;

    /// <summary>Whether there is room to digest one block of the era array, to commit that, and to end the
    /// era.</summary>
    public bool HasRoomToDigest => FreeBlocks >= DigestRoom;

    // What the space map writes at a commit.
    private ulong CommitRoom => _store.SpaceMap.WriteOutRoom();

    // Nodes that one insertion into the writeset tree, or removal from it, can copy or add: the leaf; of two levels the
    // path, its siblings, and what splits off. A tree that has shrunk keeps its two levels for a while.
    private ulong ArchiveRoom => IsWritesetTreeFull || _writesets.Levels(_superblock.WritesetTreeRoot) > 1 ? 8 : 1ul;

    private bool IsWritesetTreeFull =>
        _writesets.TryLowest(_superblock.WritesetTreeRoot, out ulong lowest, out _)
        && _writesets.TryHighest(_superblock.WritesetTreeRoot, out ulong highest)
        && highest - lowest >= WritesetLeafEntries - 1;

    private ulong WritesetRoom => _bitsets.BlocksToCreate(_superblock.NrBlocks);

    // A block of the era array, and the nodes over those of one block of the writeset: they lie side by side, so on each level of the
    // index below its root they are two at most. Then the writeset goes, this is committed, and the era can still be ended.
    private ulong DigestRoom
    {
        get
        {
            ulong leaves = ArrayShape.BlocksFor<Le32>(_superblock.NrBlocks);
            ulong path = (2 * _eraArray.IndexLevels(_superblock.EraArrayRoot)) - 1;

            // Where the snapshot shares these nodes, copies of them make the count of everything that they name larger.
            ulong largeCounts = _superblock.MetadataSnap == 0 ? 0 : Math.Min(leaves, 2 * IndexLeafEntries);
            return 1 + path + ArchiveRoom + _store.SpaceMap.WriteOutRoom(largeCounts) + (ArchiveRoom + CommitRoom);
        }
    }

    /// <summary>What is kept back: this transaction is committed, the era ended, another begun after a resume, the snapshot
    /// dropped.</summary>
    internal ulong KeptRoom => Math.Max(
        DigestRoom,
        CommitRoom + (ArchiveRoom + CommitRoom) + (WritesetRoom + CommitRoom) + CommitRoom);

    /// <summary>Makes sure that, after the commit of the running transaction, there will be room to suspend, resume and drop
    /// a snapshot. Metadata that can grow does.</summary>
    /// <exception cref="MetadataFullException">There would not.</exception>
    public void KeepRoom() => _store.SpaceMap.EnsureFree(KeptRoom);

    /// <summary>As <see cref="KeepRoom"/>, for who can do without.</summary>
    public bool TryKeepRoom() => TryEnsureFree(KeptRoom);

    /// <summary>Makes sure that a step of digestion finds room, if that can be.</summary>
    public bool TryMakeRoomToDigest() => TryEnsureFree(DigestRoom);

    private bool TryEnsureFree(ulong count)
    {
        try { _store.SpaceMap.EnsureFree(count); }
        catch (MetadataFullException) { return false; }

        return true;
    }
}
