using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.Arrays;

/// <summary>First 24 bytes of every array block (kernel: <c>struct array_block</c> in dm-array.c). Its fields are
/// ordered otherwise than a node's: no flags, the address last.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ArrayBlockHeader
{
    public Le32 Checksum;
    public Le32 MaxEntries;
    public Le32 NrEntries;
    public Le32 ValueSize;
    public Le64 BlockNumber;

    /// <summary>Values of this size that a block has room for.</summary>
    public static int CapacityFor(int valueSize) =>
        (BlockManager.BlockSize - Unsafe.SizeOf<ArrayBlockHeader>()) / valueSize;

    /// <summary>Whether a block that <see cref="ArrayBlockValidator"/> has passed is one of an array of
    /// <typeparamref name="TValue"/>, with at least so many values.</summary>
    public static bool Holds<TValue>(ReadOnlySpan<byte> block, int count)
        where TValue : unmanaged
    {
        ref readonly ArrayBlockHeader header = ref MemoryMarshal.AsRef<ArrayBlockHeader>(block);
        int valueSize = Unsafe.SizeOf<TValue>();
        return header.ValueSize == valueSize
            && header.MaxEntries == CapacityFor(valueSize)
            && header.NrEntries >= count;
    }

    /// <summary>Makes a zeroed block an array block without values.</summary>
    public static void Format<TValue>(Span<byte> block)
        where TValue : unmanaged
    {
        ref ArrayBlockHeader header = ref MemoryMarshal.AsRef<ArrayBlockHeader>(block);
        header.MaxEntries = (uint)CapacityFor(Unsafe.SizeOf<TValue>());
        header.ValueSize = (uint)Unsafe.SizeOf<TValue>();
    }

    /// <summary>Makes an array block keep its first <paramref name="kept"/> values and go on with
    /// <paramref name="value"/> up to <paramref name="count"/> values. The bytes behind them become zero.</summary>
    public static void Refill<TValue>(Span<byte> block, int kept, int count, TValue value)
        where TValue : unmanaged
    {
        Span<TValue> slots = MemoryMarshal.Cast<byte, TValue>(block[Unsafe.SizeOf<ArrayBlockHeader>()..]);
        slots[kept..count].Fill(value);
        slots[count..].Clear();
        MemoryMarshal.AsRef<ArrayBlockHeader>(block).NrEntries = (uint)count;
    }
}
