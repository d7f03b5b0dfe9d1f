using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;

namespace DmEra.PersistentData.SpaceMaps;

/// <summary>The counts that are too large for a bitmap, 3 and more, and which of them differ from the tree on disk.</summary>
internal sealed class OverflowCounts
{
    // A third of an inner node, which has fewer entries than a leaf, less one for the inner nodes above.
    private static readonly ulong MinEntriesPerNode = (ulong)(NodeHeader.CapacityFor(sizeof(ulong)) / 3) - 1;

    private readonly Dictionary<ulong, uint> _counts = [];
    private readonly HashSet<ulong> _changed = [];

    public bool IsChanged => _changed.Count > 0;

    public int Count => _counts.Count;

    /// <summary>An upper bound of the blocks that <see cref="WriteTo"/> allocates: every node of the tree as it is, and
    /// of the tree as it will be. No node but the root is less than a third full.</summary>
    /// <param name="more">Counts that become large, or no longer are, until then.</param>
    public ulong MaxNodesToWrite(ulong more) => 1 + (2 * ((ulong)(_counts.Count + _changed.Count) + more) / MinEntriesPerNode);

    public uint this[ulong block]
    {
        get => _counts[block];
        set
        {
            _changed.Add(block);
            if (value >= CountBitmap.Many) _counts[block] = value;
            else _counts.Remove(block);
        }
    }

    /// <summary>Takes over a count from the tree on disk.</summary>
    public void Load(ulong block, uint count) => _counts.Add(block, count);

    /// <summary>Brings the tree up to date.</summary>
    /// <returns>Its new root.</returns>
    public ulong WriteTo(BTree<Le32> tree, ulong root)
    {
        while (_changed.Count > 0)      // once, unless nodes of the tree itself are counted here by mistake
        {
            ulong[] blocks = [.. _changed];
            _changed.Clear();
            Array.Sort(blocks);
            foreach (ulong block in blocks)
            {
                if (_counts.TryGetValue(block, out uint count)) root = tree.Insert(root, block, count);
                else if (tree.TryLookup(root, block, out _)) root = tree.Remove(root, block);
            }
        }

        return root;
    }
}
