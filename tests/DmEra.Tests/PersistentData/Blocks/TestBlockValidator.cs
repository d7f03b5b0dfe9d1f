using DmEra.PersistentData.Blocks;

namespace DmEra.Tests.PersistentData.Blocks;

/// <summary>A block type of the tests' own: its content is free, but for a first byte that must not be 0xBD.</summary>
internal sealed class TestBlockValidator(string name, uint salt) : BlockValidator(name, salt, addressOffset: 8)
{
    public const int ContentOffset = 16;

    public const byte Bad = 0xBD;

    public static readonly TestBlockValidator Apple = new("apple", 4711);

    public static readonly TestBlockValidator Pear = new("pear", 4712);

    protected override void CheckContent(ulong address, ReadOnlySpan<byte> block)
    {
        if (block[ContentOffset] == Bad)
            throw new MetadataCorruptException(address, $"{Name} is bad", MetadataCorruption.Damaged);
    }
}
