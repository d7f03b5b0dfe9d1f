using System.Buffers.Binary;
using DmEra.Devices;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;
using DmEra.PersistentData.SpaceMaps;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Tools;

/// <summary>Damages metadata: plainly, so that a checksum tells; or with care, the checksum made good again.</summary>
internal sealed class ImageEditor(byte[] image)
{
    private static readonly BlockValidator[] Types =
    [
        SuperblockValidator.Instance,
        BTreeNodeValidator.Instance,
        ArrayBlockValidator.Instance,
        IndexBlockValidator.Instance,
        BitmapValidator.Instance,
    ];

    public byte[] Image { get; } = image;

    public int BlockCount => Image.Length / BlockManager.BlockSize;

    public MemoryBlockDevice Device => new(Image);

    public Span<byte> Block(ulong address) =>
        Image.AsSpan((int)address * BlockManager.BlockSize, BlockManager.BlockSize);

    public ImageEditor Flip(ulong address, int bit)
    {
        Block(address)[bit / 8] ^= (byte)(1 << (bit % 8));
        return this;
    }

    /// <summary>Puts a 32-bit number into a block and seals it again as what it was.</summary>
    public ImageEditor Set32(ulong address, int offset, uint value) =>
        Edit(address, block => BinaryPrimitives.WriteUInt32LittleEndian(block[offset..], value));

    /// <summary>Puts a 64-bit number into a block and seals it again as what it was.</summary>
    public ImageEditor Set64(ulong address, int offset, ulong value) =>
        Edit(address, block => BinaryPrimitives.WriteUInt64LittleEndian(block[offset..], value));

    public ulong Get64(ulong address, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(Block(address)[offset..]);

    public uint Get32(ulong address, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Block(address)[offset..]);

    /// <summary>What a block is sealed as; null when it is not whole.</summary>
    public BlockValidator? TypeOf(ulong address)
    {
        ReadOnlySpan<byte> block = Block(address);
        uint salt = BinaryPrimitives.ReadUInt32LittleEndian(block) ^ Crc32C.OfBlock(block, 0);
        return Types.FirstOrDefault(type => type.Salt == salt);
    }

    public ImageEditor Edit(ulong address, SpanAction edit)
    {
        BlockValidator type = TypeOf(address) ?? throw new InvalidOperationException($"block {address} is not whole");
        edit(Block(address));
        type.PrepareForWrite(address, Block(address));
        return this;
    }

    public delegate void SpanAction(Span<byte> block);
}
