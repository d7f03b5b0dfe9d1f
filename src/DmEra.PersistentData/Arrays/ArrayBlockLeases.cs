using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.Arrays;

/// <summary>One block of an array, held for reading until it is disposed.</summary>
public readonly ref struct ReadArrayBlock<TValue>
    where TValue : unmanaged
{
    private readonly ReadBlock _block;

    internal ReadArrayBlock(ReadBlock block)
    {
        _block = block;
        int count = (int)(uint)MemoryMarshal.AsRef<ArrayBlockHeader>(block.Data).NrEntries;
        Values = MemoryMarshal.Cast<byte, TValue>(block.Data[Unsafe.SizeOf<ArrayBlockHeader>()..])[..count];
    }

    /// <summary>The values in use. The last block of an array may have fewer than the others.</summary>
    public ReadOnlySpan<TValue> Values { get; }

    /// <summary>Gives the block back.</summary>
    public void Dispose() => _block.Dispose();
}

/// <summary>One block of an array, held for changing values in place until it is disposed.</summary>
public readonly ref struct WriteArrayBlock<TValue>
    where TValue : unmanaged
{
    private readonly WriteBlock _block;

    internal WriteArrayBlock(WriteBlock block) => _block = block;

    /// <summary>The values in use. The last block of an array may have fewer than the others.</summary>
    public Span<TValue> Values => Slots[..Count];

    internal int Count => (int)(uint)Header.NrEntries;

    private ref ArrayBlockHeader Header => ref MemoryMarshal.AsRef<ArrayBlockHeader>(_block.Data);

    private Span<TValue> Slots => MemoryMarshal.Cast<byte, TValue>(_block.Data[Unsafe.SizeOf<ArrayBlockHeader>()..]);

    /// <summary>Gives the block back.</summary>
    public void Dispose() => _block.Dispose();

    /// <summary>Makes the block end after <paramref name="count"/> values; what it had behind them becomes zero.</summary>
    internal void Truncate(int count)
    {
        Slots[count..Count].Clear();
        Header.NrEntries = (uint)count;
    }

    /// <summary>Fills the block up to <paramref name="count"/> values.</summary>
    internal void ExtendTo(int count, TValue value)
    {
        Slots[Count..count].Fill(value);
        Header.NrEntries = (uint)count;
    }
}
