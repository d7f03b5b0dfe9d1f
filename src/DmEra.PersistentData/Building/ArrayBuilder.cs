using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.Building;

/// <summary>
/// Writes an array whose values come in any order, though best in ascending order; those that never come are 0. Of its
/// blocks it keeps a few in memory; those that are full of one value are one block, which all their entries name.
/// </summary>
/// <typeparam name="TValue">A packed struct, as it lies in the blocks.</typeparam>
public sealed class ArrayBuilder<TValue>
    where TValue : unmanaged, IEquatable<TValue>
{
    /// <summary>Size of the memory that blocks are kept in.</summary>
    public const int BufferSize = Slots * BlockManager.BlockSize;

    private const int Slots = 64;

    private readonly BlockWriter _writer;
    private readonly byte[] _buffer;
    private readonly ulong _length;

    // Of each array block: the address it has to itself; or, negated, the number of the value that it is full of.
    private readonly int[] _places;
    private readonly List<TValue> _fillings = [default];
    private readonly Dictionary<TValue, int> _numbers = new() { [default] = 0 };
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
        _places = new int[ArrayShape.BlocksFor<TValue>(length)];
    }

    /// <summary>The values of one block of the array, to be changed; valid until the next call.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public Span<TValue> Block(ulong index)
    {
        int slot = (int)(index % Slots);
        if (_held[slot] != index + 1) Load(index, slot);
        _dirty |= 1UL << slot;
        return Values(slot, index);
    }

    /// <summary>Writes out what is left, and the index.</summary>
    /// <returns>The root of the array.</returns>
    public ulong Complete()
    {
        // The last block is its own even if no value of it came: it is shorter.
        if (_length % (ulong)ArrayShape.ValuesPerBlock<TValue>() != 0) _ = Block((ulong)_places.Length - 1);
        WriteOut();
        ulong[] shared = WriteFilledBlocks();
        return TreeBuilder.Build(
            _writer, (ulong)_places.Length, index => (index, (Le64)(_places[index] > 0 ? (ulong)_places[index] : shared[-_places[index]])));
    }

    private Span<byte> Slot(int slot) => _buffer.AsSpan(slot * BlockManager.BlockSize, BlockManager.BlockSize);

    private Span<TValue> Values(int slot, ulong index) =>
        MemoryMarshal.Cast<byte, TValue>(Slot(slot)[ArrayBlockHeader.Size..])[..ArrayShape.ValuesIn<TValue>(index, _length)];

    private void Load(ulong index, int slot)
    {
        // All at once: blocks that came in order lie in a row in the buffer as they will on the device.
        if ((_dirty >> slot & 1) != 0) WriteOut();
        _held[slot] = index + 1;
        Span<byte> block = Slot(slot);
        if (_places[index] > 0)
        {
            ulong address = (ulong)_places[index];
            _writer.Device.Read((long)address * BlockManager.BlockSize, block);
            ArrayBlockValidator.Instance.Check(address, block);
            return;
        }

        block.Clear();
        ArrayBlockHeader.Format<TValue>(block);
        ArrayBlockHeader.Refill(block, 0, ArrayShape.ValuesIn<TValue>(index, _length), _fillings[-_places[index]]);
    }

    private void WriteOut()
    {
        while (_dirty != 0)
        {
            int begin = BitOperations.TrailingZeroCount(_dirty);
            int end = begin;
            while (end < Slots && (_dirty >> end & 1) != 0 && Place(end, begin)) end++;
            _dirty &= ~(ulong)(((UInt128)1 << Math.Max(end, begin + 1)) - 1);
            if (end == begin) continue;
            ulong address = (ulong)_places[_held[begin] - 1];
            Span<byte> run = _buffer.AsSpan(begin * BlockManager.BlockSize, (end - begin) * BlockManager.BlockSize);
            _writer.Write(address, run, ArrayBlockValidator.Instance);
            // A full buffer came in order, and will not be written again.
            if (run.Length == BufferSize && _writer.Device is IWriteBehind device)
                device.BeginFlush((long)address * BlockManager.BlockSize, run.Length);
        }
    }

    /// <summary>Gives the block in a slot its place.</summary>
    /// <returns>Whether it has one of its own, and that behind the one of the slot before, if that belongs to the run from
    /// <paramref name="begin"/> on.</returns>
    private bool Place(int slot, int begin)
    {
        ulong index = _held[slot] - 1;
        ref int place = ref _places[index];
        if (place <= 0)
        {
            ReadOnlySpan<TValue> values = Values(slot, index);
            if (ArrayBlockHeader.HoldsOnly(Slot(slot), values[0]))
            {
                place = -NumberOf(values[0]);
                return false;
            }

            place = (int)_writer.Reserve(1);
        }

        return slot == begin || place == _places[_held[slot - 1] - 1] + 1;
    }

    private int NumberOf(TValue filling)
    {
        if (_numbers.TryGetValue(filling, out int number)) return number;
        _numbers.Add(filling, _fillings.Count);
        _fillings.Add(filling);
        return _fillings.Count - 1;
    }

    private ulong[] WriteFilledBlocks()
    {
        uint[] pointers = new uint[_fillings.Count];
        foreach (int place in _places)
        {
            if (place <= 0) pointers[-place]++;
        }

        ulong[] addresses = new ulong[_fillings.Count];
        for (int i = 0; i < _fillings.Count; i++)
        {
            if (pointers[i] == 0) continue;
            Span<byte> block = _writer.Blank();
            ArrayBlockHeader.Format<TValue>(block);
            ArrayBlockHeader.Refill(block, 0, ArrayShape.ValuesPerBlock<TValue>(), _fillings[i]);
            addresses[i] = _writer.Reserve(1);
            _writer.Write(addresses[i], block, ArrayBlockValidator.Instance);
            _writer.Share(addresses[i], pointers[i]);
        }

        return addresses;
    }
}
