using System.Runtime.CompilerServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;

namespace DmEra.PersistentData.Building;

/// <summary>Writes whole B-trees from the leaves upwards. Entries are spread evenly over as few nodes as hold them, so
/// that no node but the root is less than half full.</summary>
public static class TreeBuilder
{
    private delegate WriteNode FormatNode(Span<byte> block);

    /// <summary>Writes a tree.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="count">Entries; 0 makes a tree that is one empty leaf.</param>
    /// <param name="entry">Gives the entries by number, in ascending order of their keys.</param>
    /// <returns>The address of the root.</returns>
    public static ulong Build<TValue>(BlockWriter writer, ulong count, Func<ulong, (ulong Key, TValue Value)> entry)
        where TValue : unmanaged
    {
        List<(ulong Key, Le64 Value)> level = BuildLevel(writer, WriteNode.FormatLeaf<TValue>, checked((uint)count), entry);
        while (level.Count > 1)
        {
            List<(ulong Key, Le64 Value)> below = level;
            level = BuildLevel(writer, WriteNode.FormatInternal, (uint)below.Count, i => below[(int)i]);
        }

        return level[0].Value;
    }

    private static List<(ulong Key, Le64 Value)> BuildLevel<TValue>(
        BlockWriter writer, FormatNode format, uint count, Func<ulong, (ulong Key, TValue Value)> entry)
        where TValue : unmanaged
    {
        List<(ulong Key, Le64 Value)> level = [];
        ulong begin = 0;
        foreach (int size in BTree<TValue>.Spread(count, Unsafe.SizeOf<TValue>()))
        {
            ulong end = begin + (ulong)size;
            Span<byte> block = writer.Blank();
            WriteNode node = format(block);
            for (; begin < end; begin++)
            {
                (ulong key, TValue value) = entry(begin);
                node.InsertAt(node.Count, key, value);
            }

            ulong address = writer.Reserve(1);
            writer.Write(address, block, BTreeNodeValidator.Instance);
            level.Add((node.Count == 0 ? 0 : node.Keys[0], address));
        }

        return level;
    }
}
