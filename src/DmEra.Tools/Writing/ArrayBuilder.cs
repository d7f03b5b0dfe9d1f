using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.PersistentData.Arrays;
using DmEra.Target.History;

namespace DmEra.Tools.Writing;

/// <summary>
/// Writes an array whose values come in any order, though best in ascending order; those that never come are 0. Of its
/// blocks, which lie in a row, it keeps a few in memory.
/// </summary>
internal sealed class ArrayBuilder<TValue>
    where TValue : unmanaged
{
    /// <summary>Size of the memory that blocks are kept in.</summary>
    public const int BufferSize = Slots * BlockWriter.BlockSize;

    private const int Slots = 64;

    private readonly BlockWriter _writer;
    private readonly byte[] _buffer;
    private readonly ulong _length;
    private readonly ulong _blockCount;
    private readonly ulong _first;                          // address of block 0 of the array
    private readonly ulong[] _onDevice;                     // a bit for each block written out
    private readonly ulong[] _held = new ulong[Slots];      // number of the block in each slot, plus one
    private ulong _dirty;                                   // a bit for each slot

    /// <summary>Sets out.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="length">Values in the array.</param>
    /// <param name="buffer">Memory to use until <see cref="Complete"/>, of <see cref="BufferSize"/>.</param>
    public ArrayBuilder(BlockWriter writer, ulong length, byte[] buffer)
    {
        _writer = writer;
        _buffer = buffer;
        _length = length;
        _blockCount = ArrayReader<TValue>.BlockCount(length);
        _first = writer.Reserve(_blockCount);
        _onDevice = new ulong[(_blockCount + 63) / 64];
    }

    /// <summary>Values in every block but the last.</summary>
    public static int EntriesPerBlock => ArrayReader<TValue>.EntriesPerBlock;

    /// <summary>The values of one block of the array, to be changed; valid until the next call.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public Span<TValue> Block(ulong index)
    {
        int slot = (int)(index % Slots);
        if (_held[slot] != index + 1) Load(index, slot);
        _dirty |= 1UL << slot;
        Span<byte> block = Slot(slot);
        return MemoryMarshal.Cast<byte, TValue>(block[Unsafe.SizeOf<ArrayBlockHeader>()..])[..EntriesIn(index)];
    }

    /// <summary>Writes out what is left, and the index.</summary>
    /// <returns>The root of the array.</returns>
    public ulong Complete()
    {
        for (ulong index = 0; index < _blockCount; index++)
        {
            if (_held[index % Slots] != index + 1 && !IsOnDevice(index)) _ = Block(index);
        }

        WriteOut();
        return BTreeBuilder.Build(_writer, _blockCount, index => (index, (Devices.Binary.Le64)(_first + index)));
    }

    private int EntriesIn(ulong index) =>
        (int)Math.Min(_length - (index * (ulong)EntriesPerBlock), (ulong)EntriesPerBlock);

    private Span<byte> Slot(int slot) => _buffer.AsSpan(slot * BlockWriter.BlockSize, BlockWriter.BlockSize);

    private bool IsOnDevice(ulong index) => (_onDevice[index / 64] >> (int)(index % 64) & 1) != 0;

    private void Load(ulong index, int slot)
    {
        // All at once: blocks that came in order lie in a row in the buffer as they do on the device.
        if ((_dirty >> slot & 1) != 0) WriteOut();
        _held[slot] = index + 1;
        Span<byte> block = Slot(slot);
        if (IsOnDevice(index))
        {
            _writer.Device.Read((long)(_first + index) * BlockWriter.BlockSize, block);
            ArrayBlockValidator.Instance.Check(_first + index, block);
            return;
        }

        block.Clear();
        ref ArrayBlockHeader header = ref MemoryMarshal.AsRef<ArrayBlockHeader>(block);
        header.MaxEntries = (uint)EntriesPerBlock;
        header.NrEntries = (uint)EntriesIn(index);
        header.ValueSize = (uint)Unsafe.SizeOf<TValue>();
    }

    private void WriteOut()
    {
        while (_dirty != 0)
        {
            int begin = BitOperations.TrailingZeroCount(_dirty);
            ulong index = _held[begin] - 1;
            int end = begin;
            for (; end < Slots && (_dirty >> end & 1) != 0 && _held[end] - 1 == index + (ulong)(end - begin); end++)
            {
                _dirty &= ~(1UL << end);
                _onDevice[(_held[end] - 1) / 64] |= 1UL << (int)((_held[end] - 1) % 64);
            }

            Span<byte> run = _buffer.AsSpan(begin * BlockWriter.BlockSize, (end - begin) * BlockWriter.BlockSize);
            _writer.Write(_first + index, run, ArrayBlockValidator.Instance);
            // A full buffer came in order, and will not be written again.
            if (run.Length == BufferSize && _writer.Device is IWriteBehind device)
                device.BeginFlush((long)(_first + index) * BlockWriter.BlockSize, run.Length);
        }
    }
}
