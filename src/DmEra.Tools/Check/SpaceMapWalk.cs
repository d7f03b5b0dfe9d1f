using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Reading;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Metadata;

namespace DmEra.Tools.Check;

/// <summary>Walks over the blocks that the space map itself lies in, and keeps what the comparison of the counts needs
/// at the end.</summary>
internal sealed class SpaceMapWalk
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
        walk.WalkOverflowTree();
        return walk;
    }

    private void WalkOverflowTree()
    {
        TreeWalk<Le32> tree = new(_inspection.Reader, new TreeInspector(_inspection, Place, Superblock.Location));
        tree.Seek(Root.RefCountRoot, 0);
        while (tree.MoveNext())
        {
            if (tree.Fault is not null) _inspection.Lose(Place, tree.Fault, tree.Path[^1], tree.Begin, tree.End);
            IsOverflowWhole &= tree.IsLeaf;
            for (int i = 0; i < tree.Keys.Length; i++) Overflow[tree.Keys[i]] = tree.Values[i];
        }
    }

    private void WalkIndex()
    {
        ulong address = Root.BitmapRoot;
        if (!_inspection.Enter(Place, BlockUse.SpaceMapIndex, address, 1, Superblock.Location, 0, ulong.MaxValue)) return;
        try
        {
            Bitmaps.AddRange(SpaceMapReader.ReadIndex(_inspection.Reader, Root));
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            _inspection.Lose(Place.Harmless(FaultLevel.Damage, FaultLog.CauseOf(fault), _inspection.Ledger.PathTo(address)));
        }

        for (int i = 0; i < Bitmaps.Count; i++)
        {
            ulong bitmap = Bitmaps[i].BlockNumber;
            // One that leads astray is met again, and left out, when the counts are compared.
            _inspection.Enter(Place, BlockUse.SpaceMapBitmap, bitmap, 1, address, 0, ulong.MaxValue);
        }
    }
}
