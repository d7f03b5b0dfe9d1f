using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.Arrays;

/// <summary>First 24 bytes of every array block (kernel: <c>struct array_block</c> in dm-array.c). Its fields are
/// ordered otherwise than a node's: no flags, the address last.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct ArrayBlockHeader
{
    /// <summary>Bytes of it.</summary>
    public const int Size = 24;

#pragma warning disable CS1591 // The fields are the kernel's; docs/on-disk-format.md has the table.
    public Le32 Checksum;
    public Le32 MaxEntries;
    public Le32 NrEntries;
    public Le32 ValueSize;
    public Le64 BlockNumber;
#pragma warning restore CS1591

    /// <summary>Values of this size that a block has room for.</summary>
    public static int CapacityFor(int valueSize) => (BlockManager.BlockSize - Size) / valueSize;

    /// <summary>Whether a block that <see cref="ArrayBlockValidator"/> has passed is one of an array of
    /// <typeparamref name="TValue"/>, with at least so many values.</summary>
    internal static bool Holds<TValue>(ReadOnlySpan<byte> block, int count)
        where TValue : unmanaged => WhyUnfit(block, Unsafe.SizeOf<TValue>(), (ulong)count) is null;

    /// <summary>Why a block that <see cref="ArrayBlockValidator"/> has passed is not one of an array of such values with at least
    /// so many of them; null when it is.</summary>
    public static string? WhyUnfit(ReadOnlySpan<byte> block, int valueSize, ulong count)
    {
        ref readonly ArrayBlockHeader header = ref MemoryMarshal.AsRef<ArrayBlockHeader>(block);
        if (header.ValueSize != valueSize || header.MaxEntries != CapacityFor(valueSize))
        {
            string found = $"{header.MaxEntries} values of {header.ValueSize} bytes";
            return $"array block: room for {found}, not for {CapacityFor(valueSize)} of {valueSize}";
        }

        return header.NrEntries < count ? $"array block: {header.NrEntries} entries, not {count}" : null;
    }

    /// <summary>The values of a block that fits.</summary>
    public static ReadOnlySpan<TValue> Values<TValue>(ReadOnlySpan<byte> block)
        where TValue : unmanaged
    {
        int count = (int)(uint)MemoryMarshal.AsRef<ArrayBlockHeader>(block).NrEntries;
        return MemoryMarshal.Cast<byte, TValue>(block[Size..])[..count];
    }

    /// <summary>Whether a block that <see cref="ArrayBlockValidator"/> has passed is full, and of one value throughout.</summary>
    public static bool HoldsOnly<TValue>(ReadOnlySpan<byte> block, TValue value)
        where TValue : unmanaged
    {
        int valueSize = Unsafe.SizeOf<TValue>();
        int count = CapacityFor(valueSize);
        if (!Holds<TValue>(block, count)) return false;
        ReadOnlySpan<byte> values = block.Slice(Unsafe.SizeOf<ArrayBlockHeader>(), count * valueSize);
        ReadOnlySpan<byte> first = MemoryMarshal.AsBytes(new ReadOnlySpan<TValue>(in value));
        return values.StartsWith(first) && values[valueSize..].SequenceEqual(values[..^valueSize]);    // each is as the one before
    }

    /// <summary>Makes a zeroed block an array block without values.</summary>
    internal static void Format<TValue>(Span<byte> block)
        where TValue : unmanaged
    {
        ref ArrayBlockHeader header = ref MemoryMarshal.AsRef<ArrayBlockHeader>(block);
        header.MaxEntries = (uint)CapacityFor(Unsafe.SizeOf<TValue>());
        header.ValueSize = (uint)Unsafe.SizeOf<TValue>();
    }

    /// <summary>Makes an array block keep its first <paramref name="kept"/> values and go on with
    /// <paramref name="value"/> up to <paramref name="count"/> values. The bytes behind them become zero.</summary>
    internal static void Refill<TValue>(Span<byte> block, int kept, int count, TValue value)
        where TValue : unmanaged
    {
        Span<TValue> slots = MemoryMarshal.Cast<byte, TValue>(block[Size..]);
        slots[kept..count].Fill(value);
        slots[count..].Clear();
        MemoryMarshal.AsRef<ArrayBlockHeader>(block).NrEntries = (uint)count;
    }
}
