using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.BTrees;

/// <summary>What makes a block a B-tree node (kernel: <c>btree_node_validator</c>).</summary>
internal sealed class BTreeNodeValidator : BlockValidator
{
    public static readonly BTreeNodeValidator Instance = new();

    private BTreeNodeValidator()
        : base("btree node", salt: 121107, addressOffset: 8)
    {
    }

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

        MetadataCorruptException Damaged(string cause) => new(address, $"{Name}: {cause}", MetadataCorruption.Damaged);
    }
}
