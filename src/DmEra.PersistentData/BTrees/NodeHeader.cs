using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.BTrees;

/// <summary>First 32 bytes of every B-tree node (kernel: <c>struct node_header</c> in dm-btree-internal.h).
/// Behind them come <see cref="MaxEntries"/> keys of 8 bytes, then as many values.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct NodeHeader
{
    /// <summary>Set in <see cref="Flags"/> of a node whose values are addresses of nodes.</summary>
    public const uint InternalNode = 1;

    /// <summary>Set in <see cref="Flags"/> of a leaf.</summary>
    public const uint LeafNode = 2;

    /// <summary>Levels that a tree can have: six of nodes with the fewest entries hold more than 2^32 keys, and five all blocks
    /// of the largest metadata device. A path that is longer leads in a circle.</summary>
    public const int MaxDepth = 8;

    public Le32 Checksum;
    public Le32 Flags;
    public Le64 BlockNumber;
    public Le32 NrEntries;
    public Le32 MaxEntries;
    public Le32 ValueSize;
    public Le32 Padding;

    /// <summary>Entries that a node with values of this size has room for: a multiple of three, so that a third
    /// of it is the least that any node but the root may hold.</summary>
    public static int CapacityFor(int valueSize) =>
        (BlockManager.BlockSize - Unsafe.SizeOf<NodeHeader>()) / (sizeof(ulong) + valueSize) / 3 * 3;
}
