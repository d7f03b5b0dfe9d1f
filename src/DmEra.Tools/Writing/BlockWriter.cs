using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;

namespace DmEra.Tools.Writing;

/// <summary>Hands out the blocks of new metadata one after the other, and writes them sealed. A file that is too short
/// for them is extended.</summary>
internal sealed class BlockWriter(IBlockDevice device)
{
    public const int BlockSize = BlockManager.BlockSize;

    private const ulong ExtensionBlocks = 256;      // at least 1 MiB at a time

    private readonly byte[] _block = new byte[BlockSize];

    /// <summary>The device written to.</summary>
    public IBlockDevice Device { get; } = device;

    /// <summary>Blocks handed out; the superblock is one of them.</summary>
    public ulong Used { get; private set; } = 1;

    /// <summary>Blocks that the device has room for, as far as the format can count them.</summary>
    public ulong BlockCount => Math.Min((ulong)Device.Length / BlockSize, BitmapHeader.MaxMetadataBlocks);

    /// <summary>Hands out blocks in a row.</summary>
    /// <returns>The address of the first.</returns>
    /// <exception cref="MetadataFullException">The device is too small for them.</exception>
    /// <exception cref="DeviceException">The file cannot be extended.</exception>
    public ulong Reserve(ulong count)
    {
        if (count > BitmapHeader.MaxMetadataBlocks - Used) throw Full("the format", BitmapHeader.MaxMetadataBlocks);
        ulong needed = Used + count;
        if (needed > BlockCount)
        {
            ulong larger = Math.Min(needed + Math.Max(needed / 4, ExtensionBlocks), BitmapHeader.MaxMetadataBlocks);
            if (Device is not IExtendable extendable || !extendable.TryExtend((long)larger * BlockSize)) throw Full("the output", BlockCount);
        }

        Used = needed;
        return needed - count;
    }

    /// <summary>A block of zeroes to fill in and write; the next call takes it back.</summary>
    public Span<byte> Blank()
    {
        _block.AsSpan().Clear();
        return _block;
    }

    /// <summary>Seals blocks that lie in a row, and writes them.</summary>
    public void Write(ulong address, Span<byte> blocks, BlockValidator validator)
    {
        for (int offset = 0; offset < blocks.Length; offset += BlockSize)
        {
            ulong block = address + (ulong)(offset / BlockSize);
            validator.PrepareForWrite(block, blocks.Slice(offset, BlockSize));
        }

        Device.Write((long)address * BlockSize, blocks);
    }

    private static MetadataFullException Full(string what, ulong room) =>
        new($"the metadata does not fit: {what} has room for {room} blocks of {BlockSize} bytes");
}
