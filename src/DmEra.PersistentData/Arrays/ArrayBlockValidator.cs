using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.Arrays;

/// <summary>What makes a block an array block (kernel: <c>array_validator</c>).</summary>
public sealed class ArrayBlockValidator : BlockValidator
{
    /// <summary>The one there is.</summary>
    public static readonly ArrayBlockValidator Instance = new();

    private ArrayBlockValidator()
        : base("array block", salt: 595846735, addressOffset: 16)
    {
    }

    /// <inheritdoc/>
    protected override void CheckContent(ulong address, ReadOnlySpan<byte> block)
    {
        ref readonly ArrayBlockHeader header = ref MemoryMarshal.AsRef<ArrayBlockHeader>(block);
        ulong size = (ulong)Unsafe.SizeOf<ArrayBlockHeader>() + ((ulong)header.ValueSize * header.MaxEntries);
        if (size > (ulong)block.Length) throw Damaged("max_entries is too large");
        if (header.NrEntries > header.MaxEntries) throw Damaged("nr_entries is greater than max_entries");

        MetadataCorruptException Damaged(string cause) => new(address, $"{Name}: {cause}", MetadataCorruption.Damaged);
    }
}
