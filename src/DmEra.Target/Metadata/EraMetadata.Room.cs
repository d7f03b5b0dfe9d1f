using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;

namespace DmEra.Target.Metadata;

// Room that is kept back, so that full metadata is never a dead end: writing stops before ending an era, beginning one, or dropping
// the metadata snapshot could fail. All numbers are upper bounds in metadata blocks; metadata that can grow does.
internal sealed partial class EraMetadata
{
    // Nodes of a writeset tree of two levels that an insertion can copy or add.
    private const ulong ArchiveRoom = 8;

    // A leaf of an index: an array of no more blocks than this has a single one.
    private const ulong IndexLeafEntries = 252;
    private const ulong FewestIndexEntries = IndexLeafEntries / 3;
    private const ulong EraBlocksPerStep = 32;

    // What the space map writes at a commit: all bitmaps, the index, and a leaf of large counts.
    private ulong CommitRoom => ((TotalBlocks + BitmapHeader.EntriesPerBlock - 1) / BitmapHeader.EntriesPerBlock) + 2;

    private ulong WritesetRoom => BlocksOfArray(_superblock.NrBlocks, PersistentBitset.BitsPerBlock);

    private ulong DigestRoom =>
        Math.Min(BlocksOfArray(_superblock.NrBlocks, (uint)_eraArray.EntriesPerBlock), EraBlocksPerStep)
        + ArchiveRoom + CommitRoom + (ArchiveRoom + CommitRoom);

    // The era ends, the next one begins after a resume, the snapshot is dropped: each with its commit.
    private ulong KeptRoom =>
        CommitRoom + (ArchiveRoom + CommitRoom) + (WritesetRoom + CommitRoom) + CommitRoom;

    /// <summary>Whether there is the room that <see cref="KeepRoom"/> asks for.</summary>
    public bool HasRoomKept => _store.SpaceMap.FreeBlocks >= KeptRoom;

    /// <summary>Makes sure that, after the commit of the running transaction, suspending, resuming and dropping a
    /// snapshot will find room.</summary>
    /// <exception cref="MetadataFullException">They would not.</exception>
    public void KeepRoom() => _store.SpaceMap.EnsureFree(KeptRoom);

    /// <summary>Whether a step of digestion would find room, leaving enough for a commit and for ending the
    /// era.</summary>
    public bool HasRoomToDigest => _store.SpaceMap.FreeBlocks >= DigestRoom;

    /// <summary>Makes the device longer, if it can be, so that a step of digestion finds room.</summary>
    public bool TryMakeRoomToDigest()
    {
        try { _store.SpaceMap.EnsureFree(DigestRoom); }
        catch (MetadataFullException) { return false; }

        return true;
    }

    // Array blocks and the nodes of their index.
    private static ulong BlocksOfArray(uint values, uint perBlock)
    {
        ulong blocks = (values + perBlock - 1) / perBlock;
        return blocks <= IndexLeafEntries ? blocks + 1 : blocks + (blocks / FewestIndexEntries) + 3;
    }
}
