using System.Buffers.Binary;

namespace DmEra.PersistentData.Blocks;

/// <summary>
/// What makes a block of one type whole: its own address and checksum, and the type's own rules. A block is checked
/// once, on its way in from the device, and sealed once, on its way out (kernel: <c>struct dm_block_validator</c>).
/// </summary>
/// <param name="name">The type's name in messages, as in "btree node".</param>
/// <param name="salt">The constant that the checksum is exclusive-ored with.</param>
/// <param name="addressOffset">Where the block's own address is: 16 in array blocks, 8 in all others.</param>
public abstract class BlockValidator(string name, uint salt, int addressOffset)
{
    /// <summary>The type's name in messages, as in "btree node".</summary>
    public string Name { get; } = name;

    /// <summary>The constant that the checksum is exclusive-ored with.</summary>
    public uint Salt { get; } = salt;

    /// <summary>Checks a block just read: own address, checksum, then the type's rules.</summary>
    /// <param name="address">Where it was read from.</param>
    /// <param name="block">All 4096 bytes.</param>
    /// <exception cref="MetadataCorruptException">It is not a whole block of this type.</exception>
    public void Check(ulong address, ReadOnlySpan<byte> block)
    {
        ulong stored = BinaryPrimitives.ReadUInt64LittleEndian(block[addressOffset..]);
        if (stored != address)
        {
            throw new MetadataCorruptException(
                address, $"{Name} has block number {stored}", MetadataCorruption.WrongAddress);
        }

        CheckIdentity(address, block);
        if (BinaryPrimitives.ReadUInt32LittleEndian(block) != Crc32C.OfBlock(block, Salt))
            throw new MetadataCorruptException(address, $"bad checksum in {Name}", MetadataCorruption.Damaged);
        CheckContent(address, block);
    }

    /// <summary>Seals a block about to be written: fills in its own address, then its checksum.</summary>
    public void PrepareForWrite(ulong address, Span<byte> block)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(block[addressOffset..], address);
        BinaryPrimitives.WriteUInt32LittleEndian(block, Crc32C.OfBlock(block, Salt));
    }

    /// <summary>Checks what the kernel looks at before the checksum; nothing for most types.</summary>
    protected virtual void CheckIdentity(ulong address, ReadOnlySpan<byte> block)
    {
    }

    /// <summary>Checks the type's own rules, so that views of the block need not: every count, every bound.</summary>
    protected abstract void CheckContent(ulong address, ReadOnlySpan<byte> block);
}
