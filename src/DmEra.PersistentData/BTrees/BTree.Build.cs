using System.Runtime.CompilerServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.BTrees;

public sealed partial class BTree<TValue>
{
    /// <summary>Makes a tree of the keys 0, 1, 2 … as they come, from the leaves upwards. Entries are spread evenly over as few
    /// nodes as hold them, so that no node but the root is less than half full.</summary>
    /// <param name="count">How many keys.</param>
    /// <param name="runs">Their values, in order: each, and how many times it follows itself. The tree takes over the caller's
    /// references to what they keep alive, one for each time.</param>
    /// <returns>Address of the root. The caller owns the reference.</returns>
    /// <exception cref="MetadataFullException">There is no free metadata block.</exception>
    public ulong Build(uint count, IEnumerable<(TValue Value, uint Times)> runs)
    {
        List<(ulong FirstKey, Le64 Node)> level = BuildLeaves(count, runs);
        while (level.Count > 1) level = BuildAbove(level);
        return level[0].Node;
    }

    /// <summary>How many nodes <see cref="Build"/> makes for so many keys.</summary>
    internal static ulong NodesToBuild(uint count)
    {
        ulong nodes = NodesFor(count, Unsafe.SizeOf<TValue>());
        ulong all = nodes;
        while (nodes > 1) all += nodes = NodesFor((uint)nodes, sizeof(ulong));
        return all;
    }

    private List<(ulong FirstKey, Le64 Node)> BuildLeaves(uint count, IEnumerable<(TValue Value, uint Times)> runs)
    {
        using IEnumerator<(TValue Value, uint Times)> source = runs.GetEnumerator();
        (TValue value, uint times) = (default, 0);
        List<(ulong FirstKey, Le64 Node)> level = [];
        ulong key = 0;
        foreach (int size in Spread(count, Unsafe.SizeOf<TValue>()))
        {
            using WriteBlock block = transactions.NewBlock(BTreeNodeValidator.Instance);
            WriteNode leaf = WriteNode.FormatLeaf<TValue>(block.Data);
            level.Add((key, block.Address));
            leaf.SetCount(size);
            for (int i = 0; i < size;)
            {
                while (times == 0 && source.MoveNext()) (value, times) = source.Current;
                if (times == 0) throw new InvalidOperationException($"{count} keys, but fewer values");
                int length = (int)Math.Min(times, (uint)(size - i));
                leaf.Values<TValue>().Slice(i, length).Fill(value);
                times -= (uint)length;
                i += length;
            }

            foreach (ref Le64 slot in leaf.Keys) slot = key++;
        }

        return level;
    }

    private List<(ulong FirstKey, Le64 Node)> BuildAbove(List<(ulong FirstKey, Le64 Node)> below)
    {
        List<(ulong FirstKey, Le64 Node)> level = [];
        int next = 0;
        foreach (int size in Spread((uint)below.Count, sizeof(ulong)))
        {
            using WriteBlock block = transactions.NewBlock(BTreeNodeValidator.Instance);
            WriteNode node = WriteNode.FormatInternal(block.Data);
            level.Add((below[next].FirstKey, block.Address));
            node.SetCount(size);
            for (int i = 0; i < size; i++, next++) (node.Keys[i], node.Children[i]) = (below[next].FirstKey, below[next].Node);
        }

        return level;
    }

    /// <summary>How many entries each node of a level gets.</summary>
    internal static IEnumerable<int> Spread(uint count, int valueSize)
    {
        uint nodes = NodesFor(count, valueSize);
        for (uint left = count; nodes > 0; nodes--)
        {
            uint size = left / nodes;
            left -= size;
            yield return (int)size;
        }
    }

    private static uint NodesFor(uint count, int valueSize)
    {
        uint capacity = (uint)NodeHeader.CapacityFor(valueSize);
        return Math.Max(1, (count / capacity) + (count % capacity == 0 ? 0u : 1u));
    }
}
