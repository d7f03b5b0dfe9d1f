using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tools.Writing;

/// <summary>Writes whole B-trees from the leaves upwards. Entries are spread evenly over as few nodes as hold them, so
/// that no node but the root is less than half full.</summary>
internal static class BTreeBuilder
{
    /// <summary>Writes a tree.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="count">Entries; 0 makes a tree that is one empty leaf.</param>
    /// <param name="entry">Gives the entries by number, in ascending order of their keys.</param>
    /// <returns>The address of the root.</returns>
    public static ulong Build<TValue>(BlockWriter writer, ulong count, Func<ulong, (ulong Key, TValue Value)> entry)
        where TValue : unmanaged
    {
        List<(ulong Key, Le64 Value)> level = BuildLevel(writer, NodeHeader.LeafNode, count, entry);
        while (level.Count > 1)
        {
            List<(ulong Key, Le64 Value)> below = level;
            level = BuildLevel(writer, NodeHeader.InternalNode, (ulong)below.Count, i => below[(int)i]);
        }

        return level[0].Value;
    }

    private static List<(ulong Key, Le64 Value)> BuildLevel<TValue>(
        BlockWriter writer, uint kind, ulong count, Func<ulong, (ulong Key, TValue Value)> entry)
        where TValue : unmanaged
    {
        ulong maxEntries = (ulong)NodeHeader.CapacityFor(Unsafe.SizeOf<TValue>());
        ulong nodes = Math.Max(1, (count + maxEntries - 1) / maxEntries);
        List<(ulong Key, Le64 Value)> level = [];
        ulong begin = 0;
        for (ulong node = 0; node < nodes; node++)
        {
            ulong end = begin + ((count - begin) / (nodes - node));
            level.Add(BuildNode(writer, kind, begin, end, entry));
            begin = end;
        }

        return level;
    }

    private static (ulong Key, Le64 Value) BuildNode<TValue>(
        BlockWriter writer, uint kind, ulong begin, ulong end, Func<ulong, (ulong Key, TValue Value)> entry)
        where TValue : unmanaged
    {
        int maxEntries = NodeHeader.CapacityFor(Unsafe.SizeOf<TValue>());
        Span<byte> block = writer.Blank();
        ref NodeHeader header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        header.Flags = kind;
        header.NrEntries = (uint)(end - begin);
        header.MaxEntries = (uint)maxEntries;
        header.ValueSize = (uint)Unsafe.SizeOf<TValue>();
        Span<byte> body = block[Unsafe.SizeOf<NodeHeader>()..];
        Span<Le64> keys = MemoryMarshal.Cast<byte, Le64>(body);
        Span<TValue> values = MemoryMarshal.Cast<byte, TValue>(body[(maxEntries * sizeof(ulong))..]);
        for (ulong i = begin; i < end; i++)
        {
            (ulong key, TValue value) = entry(i);
            keys[(int)(i - begin)] = key;
            values[(int)(i - begin)] = value;
        }

        ulong address = writer.Reserve(1);
        writer.Write(address, block, BTreeNodeValidator.Instance);
        return (keys[0], address);
    }
}
