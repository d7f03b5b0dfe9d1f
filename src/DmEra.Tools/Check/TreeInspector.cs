using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.Reading;

namespace DmEra.Tools.Check;

/// <summary>Goes before the walk over a tree: counts every pointer, lets the walk in once, and logs what is wrong with a node that
/// can be searched.</summary>
/// <param name="inspection">The check.</param>
/// <param name="tree">The tree.</param>
/// <param name="owner">The block with the pointer at its root.</param>
internal sealed class TreeInspector(Inspection inspection, WalkedTree tree, ulong owner) : ITreeGuard
{
    private int _leafDepth;     // of the first leaf; 0 = none met

    public bool MayEnter(ulong node, ulong? parent, ulong firstKey, ulong endKey) =>
        inspection.Enter(tree, tree.NodeUse, node, 1, parent ?? owner, firstKey, endKey);

    public void Look(ulong address, ReadNode node, int depth)
    {
        if (depth > 1 && node.Count < node.MinCount)
            Log(FaultLevel.Cosmetic, $"{node.Count} entries in a node that should have at least {node.MinCount}");
        if (node.UnknownFlags != 0) Log(FaultLevel.Cosmetic, $"unknown flags {node.Flags}");
        if (node.HasStrayBytes) Log(FaultLevel.Cosmetic, "unused bytes are not zero");
        if (!node.IsLeaf) return;
        if (_leafDepth == 0) _leafDepth = depth;
        if (depth != _leafDepth) Log(FaultLevel.Damage, $"a leaf at level {depth}, others are at level {_leafDepth}");

        void Log(FaultLevel level, string cause) =>
            inspection.Faults.Add(tree.Harmless(level, $"btree node: {cause}", inspection.Ledger.PathTo(address)));
    }
}
