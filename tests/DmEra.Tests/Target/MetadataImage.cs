using System.Buffers.Binary;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.BTrees;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target;

/// <summary>Changes to metadata images that no program makes.</summary>
internal static class MetadataImage
{
    private const int BlockSize = 4096;

    /// <summary>Changes the current era in the superblock.</summary>
    public static byte[] WithCurrentEra(byte[] image, uint era) =>
        WithSuperblock(image, superblock => BinaryPrimitives.WriteUInt32LittleEndian(superblock[184..], era));

    /// <summary>Changes the superblock, and seals it again.</summary>
    public static byte[] WithSuperblock(byte[] image, SpanAction change)
    {
        byte[] changed = [.. image];
        Span<byte> superblock = changed.AsSpan(0, BlockSize);
        change(superblock);
        SuperblockValidator.Instance.PrepareForWrite(0, superblock);
        return changed;
    }

    /// <summary>Puts one more level over the index of the era array, of one node with one child, as the kernel may leave it.</summary>
    /// <param name="image">The metadata.</param>
    /// <param name="block">Where the node is to be.</param>
    public static byte[] WithNodeOverEraArray(byte[] image, int block)
    {
        ulong child = 0;
        byte[] changed = WithSuperblock(image, superblock =>
        {
            ref Superblock fields = ref MemoryMarshal.AsRef<Superblock>(superblock);
            child = fields.EraArrayRoot;
            fields.EraArrayRoot = (ulong)block;
        });
        Span<byte> node = changed.AsSpan(block * BlockSize, BlockSize);
        WriteNode.FormatInternal(node).InsertAt(0, 0, (Le64)child);
        BTreeNodeValidator.Instance.PrepareForWrite((ulong)block, node);
        return changed;
    }

    /// <summary>Makes one block unreadable: its checksum is wrong.</summary>
    public static byte[] WithDamage(byte[] image, ulong block)
    {
        byte[] changed = [.. image];
        changed[((int)block * BlockSize) + 100] ^= 1;
        return changed;
    }

    internal delegate void SpanAction(Span<byte> superblock);
}
