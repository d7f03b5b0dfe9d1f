using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Metadata;

namespace DmEra.Tools.Check;

/// <summary>Walks over the blocks that the space map itself lies in, and keeps what the comparison of the counts needs
/// at the end.</summary>
internal sealed class SpaceMapWalk : ITreeVisitor<Le32>
{
    public static readonly OverflowTree Place = new();

    private readonly Inspection _inspection;

    private SpaceMapWalk(Inspection inspection, SpaceMapRoot root)
    {
        _inspection = inspection;
        Root = root;
    }

    /// <summary>Where it is, and what it says of itself.</summary>
    public SpaceMapRoot Root { get; }

    /// <summary>What the index says of each bitmap; empty when it cannot be read.</summary>
    public List<IndexEntry> Bitmaps { get; } = [];

    /// <summary>The counts that two bits cannot hold.</summary>
    public Dictionary<ulong, uint> Overflow { get; } = [];

    /// <summary>False when some of <see cref="Overflow"/> may be missing.</summary>
    public bool IsOverflowWhole { get; private set; } = true;

    /// <summary>Walks.</summary>
    public static SpaceMapWalk Run(Inspection inspection, Superblock superblock)
    {
        ReadOnlySpan<byte> field = superblock.MetadataSpaceMapRoot;
        SpaceMapWalk walk = new(inspection, MemoryMarshal.Read<SpaceMapRoot>(field));
        walk.WalkIndex();
        new TreeWalk<Le32>(inspection, Place, walk).Run(walk.Root.RefCountRoot, Superblock.Location);
        return walk;
    }

    public void VisitLeaf(ulong leaf, ReadOnlySpan<ulong> keys, ReadOnlySpan<Le32> values)
    {
        for (int i = 0; i < keys.Length; i++) Overflow[keys[i]] = values[i];
    }

    public void PassOver(ulong firstKey, ulong endKey) => IsOverflowWhole = false;

    private void WalkIndex()
    {
        ulong address = Root.BitmapRoot;
        if (!_inspection.Enter(Place, BlockUse.SpaceMapIndex, address, Superblock.Location, 0, ulong.MaxValue)) return;
        try
        {
            ReadOnlySpan<byte> block = _inspection.Reader.Read(address, IndexBlockValidator.Instance);
            ReadOnlySpan<IndexEntry> entries = MemoryMarshal.AsRef<IndexBlock>(block).Entries;
            ulong used = Math.Min(Root.NrBlocks, BitmapHeader.MaxMetadataBlocks) + BitmapHeader.EntriesPerBlock - 1;
            Bitmaps.AddRange(entries[..(int)(used / BitmapHeader.EntriesPerBlock)]);
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            _inspection.Lose(Place.Harmless(FaultLevel.Damage, FaultLog.CauseOf(fault), _inspection.Ledger.PathTo(address)));
        }

        for (int i = 0; i < Bitmaps.Count; i++)
        {
            ulong bitmap = Bitmaps[i].BlockNumber;
            // One that leads astray is met again, and left out, when the counts are compared.
            _inspection.Enter(Place, BlockUse.SpaceMapBitmap, bitmap, address, 0, ulong.MaxValue);
        }
    }
}
