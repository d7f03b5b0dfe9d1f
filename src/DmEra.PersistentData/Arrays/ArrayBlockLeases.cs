using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.Arrays;

/// <summary>Values of one block of an array, held for reading until it is disposed.</summary>
public readonly ref struct ReadArrayBlock<TValue>
    where TValue : unmanaged
{
    private readonly ReadBlock _block;

    internal ReadArrayBlock(ReadBlock block, int count)
    {
        _block = block;
        Values = MemoryMarshal.Cast<byte, TValue>(block.Data[Unsafe.SizeOf<ArrayBlockHeader>()..])[..count];
    }

    /// <summary>As many of the block's values as were asked for, from its first one on.</summary>
    public ReadOnlySpan<TValue> Values { get; }

    /// <summary>Gives the block back.</summary>
    public void Dispose() => _block.Dispose();
}

/// <summary>Values of one block of an array, held for change until it is disposed.</summary>
public readonly ref struct WriteArrayBlock<TValue>
    where TValue : unmanaged
{
    private readonly WriteBlock _block;

    internal WriteArrayBlock(WriteBlock block, int count)
    {
        _block = block;
        Values = MemoryMarshal.Cast<byte, TValue>(block.Data[Unsafe.SizeOf<ArrayBlockHeader>()..])[..count];
    }

    /// <summary>As many of the block's values as were asked for, from its first one on.</summary>
    public Span<TValue> Values { get; }

    /// <summary>Gives the block back.</summary>
    public void Dispose() => _block.Dispose();
}
