using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;

namespace DmEra.PersistentData.Building;

/// <summary>Hands out the blocks of new metadata one after the other, and writes them sealed. A file that is too short
/// for them is extended. A block has one pointer unless it is told otherwise.</summary>
/// <param name="device">The metadata device; it stays the caller's.</param>
public sealed class BlockWriter(IBlockDevice device)
{
    private const ulong ExtensionBlocks = 256;      // at least 1 MiB at a time

    private readonly byte[] _block = new byte[BlockManager.BlockSize];
    private readonly SortedDictionary<ulong, uint> _shared = [];

    /// <summary>The device written to.</summary>
    public IBlockDevice Device { get; } = device;

    /// <summary>Blocks handed out; the superblock is one of them.</summary>
    public ulong Used { get; private set; } = 1;

    /// <summary>Blocks that the device has room for, as far as the format can count them.</summary>
    public ulong BlockCount => Math.Min((ulong)Device.Length / BlockManager.BlockSize, BitmapHeader.MaxMetadataBlocks);

    /// <summary>The blocks that have more pointers than one, and how many.</summary>
    public IReadOnlyDictionary<ulong, uint> Shared => _shared;

    /// <summary>Makes sure that there is room for more blocks.</summary>
    /// <exception cref="MetadataFullException">The device is too small for them.</exception>
    /// <exception cref="DeviceException">The file cannot be extended.</exception>
    public void RequireRoom(ulong count)
    {
        if (count > BitmapHeader.MaxMetadataBlocks - Used) throw Full("the format", BitmapHeader.MaxMetadataBlocks);
        ulong needed = Used + count;
        if (needed <= BlockCount) return;
        ulong larger = Math.Min(needed + Math.Max(needed / 4, ExtensionBlocks), BitmapHeader.MaxMetadataBlocks);
        if (Device is not IExtendable extendable || !extendable.TryExtend((long)larger * BlockManager.BlockSize)) throw Full("the output", BlockCount);
    }

    /// <summary>Hands out blocks in a row.</summary>
    /// <returns>The address of the first.</returns>
    /// <inheritdoc cref="RequireRoom" path="/exception"/>
    public ulong Reserve(ulong count)
    {
        RequireRoom(count);
        Used += count;
        return Used - count;
    }

    /// <summary>A block has this many pointers.</summary>
    public void Share(ulong address, uint pointers)
    {
        if (pointers > 1) _shared[address] = pointers;
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
        for (int offset = 0; offset < blocks.Length; offset += BlockManager.BlockSize)
        {
            ulong block = address + (ulong)(offset / BlockManager.BlockSize);
            validator.PrepareForWrite(block, blocks.Slice(offset, BlockManager.BlockSize));
        }

        Device.Write((long)address * BlockManager.BlockSize, blocks);
    }

    private static MetadataFullException Full(string what, ulong room) =>
        new($"the metadata does not fit: {what} has room for {room} blocks of {BlockManager.BlockSize} bytes");
}
