using System.Runtime.CompilerServices;

namespace DmEra.PersistentData.Arrays;

/// <summary>How arrays are cut into blocks.</summary>
public static class ArrayShape
{
    /// <summary>Values in every block but the last.</summary>
    /// <typeparam name="TValue">A packed struct, as it lies in the blocks.</typeparam>
    public static int ValuesPerBlock<TValue>()
        where TValue : unmanaged => ArrayBlockHeader.CapacityFor(Unsafe.SizeOf<TValue>());

    /// <summary>Blocks that so many values lie in.</summary>
    /// <inheritdoc cref="ValuesPerBlock{TValue}" path="/typeparam"/>
    public static ulong BlocksFor<TValue>(ulong length)
        where TValue : unmanaged => (length + (ulong)ValuesPerBlock<TValue>() - 1) / (ulong)ValuesPerBlock<TValue>();

    /// <summary>How many of the first <paramref name="length"/> values are in a block; none behind the last one.</summary>
    /// <inheritdoc cref="ValuesPerBlock{TValue}" path="/typeparam"/>
    public static int ValuesIn<TValue>(ulong block, ulong length)
        where TValue : unmanaged
    {
        ulong perBlock = (ulong)ValuesPerBlock<TValue>();
        return (int)Math.Min(length - Math.Min(length, block * perBlock), perBlock);
    }
}
