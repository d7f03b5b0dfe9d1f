using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.BTrees;

/// <summary>What makes a block a B-tree node (kernel: <c>btree_node_validator</c>). What depends on the tree, the
/// size of the values, is left to <see cref="ReadNode.Fits"/>.</summary>
public sealed class BTreeNodeValidator : BlockValidator
{
    /// <summary>The one there is.</summary>
    public static readonly BTreeNodeValidator Instance = new();

    private BTreeNodeValidator()
        : base("btree node", salt: 121107, addressOffset: 8)
    {
    }

    /// <inheritdoc/>
    protected override void CheckContent(ulong address, ReadOnlySpan<byte> block)
    {
        ref readonly NodeHeader header = ref MemoryMarshal.AsRef<NodeHeader>(block);
        ulong entrySize = sizeof(ulong) + (ulong)header.ValueSize;
        ulong size = (ulong)Unsafe.SizeOf<NodeHeader>() + (entrySize * header.MaxEntries);
        if (size > (ulong)block.Length) throw Damaged("max_entries is too large");
        if (header.NrEntries > header.MaxEntries) throw Damaged("nr_entries is greater than max_entries");
        bool isInternal = (header.Flags & NodeHeader.InternalNode) != 0;
        bool isLeaf = (header.Flags & NodeHeader.LeafNode) != 0;
        if (isInternal == isLeaf) throw Damaged("neither an internal node nor a leaf");
        if (isInternal && header.ValueSize != sizeof(ulong)) throw Damaged("wrong value size in an internal node");
        if (isInternal && header.NrEntries == 0) throw Damaged("internal node without children");

        // Plain numbers: code compiled in advance calls what makes numbers of fields, 250 times a node.
        ReadOnlySpan<ulong> keys = MemoryMarshal.Cast<byte, ulong>(block[Unsafe.SizeOf<NodeHeader>()..])[..(int)(uint)header.NrEntries];
        for (int i = 1; i < keys.Length; i++)
        {
            if (keys[i] <= keys[i - 1]) throw Damaged("keys are not in ascending order");
        }

        MetadataCorruptException Damaged(string cause) => new(address, $"{Name}: {cause}", MetadataCorruption.Damaged);
    }
}
