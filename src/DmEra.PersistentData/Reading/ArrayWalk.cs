using System.Runtime.CompilerServices;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;

namespace DmEra.PersistentData.Reading;

/// <summary>
/// Walks over ranges of a committed array, and over what cannot be read in between: no fault stops it. A piece is what entries
/// of the index in a row that name the same block stand for: that block is read, and its values are there, once. Going on
/// where the last range ended costs no search.
/// </summary>
/// <typeparam name="TValue">A packed struct, as it lies in the blocks.</typeparam>
/// <param name="reader">Reads the metadata.</param>
public sealed class ArrayWalk<TValue>(MetadataReader reader)
    where TValue : unmanaged
{
    private static readonly ulong PerBlock = (ulong)ArrayShape.ValuesPerBlock<TValue>();

    private readonly ArrayIndexWalk _index = new(reader);
    private ArrayRef _array;
    private bool _isInIndex;        // the index walk stands somewhere in the array's
    private ulong _next;            // first value behind the piece
    private ulong _end;             // of the range
    private ReadOnlyMemory<byte> _block;

    /// <summary>Number of the first value of the piece.</summary>
    public ulong Begin { get; private set; }

    /// <summary>Number of the value behind the piece.</summary>
    public ulong End => _next;

    /// <summary>The values of the piece's block, of which those from <see cref="Begin"/> to <see cref="End"/> repeat as many as they
    /// are; none when it cannot be read. Valid until the reader reads on.</summary>
    public ReadOnlySpan<TValue> Block => _block.IsEmpty ? [] : ArrayBlockHeader.Values<TValue>(_block.Span);

    /// <summary>Whether the block stands for more than one array block.</summary>
    public bool IsRepeated => _index.End - _index.Begin > 1;

    /// <summary>Why the piece cannot be read; null when it can.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>With a <see cref="Fault"/>: the way to it, from the root of the index downwards.</summary>
    public IReadOnlyList<ulong> FaultPath => _index.Piece == IndexPiece.Run ? [.. _index.Path, _index.Addresses[0]] : _index.Path;

    /// <summary>Turns to a range of an array: <see cref="MoveNext"/> will step to its first piece.</summary>
    /// <param name="array">The array.</param>
    /// <param name="begin">The first value.</param>
    /// <param name="end">The value behind the last one; what is behind the end of the array is left out.</param>
    public void TurnTo(ArrayRef array, ulong begin, ulong end)
    {
        _isInIndex &= array == _array;
        _array = array;
        _next = begin;
        _end = Math.Min(end, array.Length);
    }

    /// <summary>Steps to the next piece.</summary>
    /// <returns>false at the end of the range.</returns>
    public bool MoveNext()
    {
        if (_next >= _end) return false;
        Begin = _next;
        FindIndexPiece(Begin / PerBlock);
        _next = _index.End > _end / PerBlock ? _end : _index.End * PerBlock;
        _block = default;
        Fault = _index.Fault;
        if (_index.Piece == IndexPiece.Run) ReadBlock();
        return true;
    }

    /// <summary>The values from number <paramref name="at"/> on, as far as they lie in one array block.</summary>
    public ReadOnlySpan<TValue> ValuesFrom(ulong at)
    {
        (ulong block, ulong first) = Math.DivRem(at, PerBlock);
        ulong count = Math.Min((block + 1) * PerBlock, End) - at;
        return Block.Slice((int)first, (int)count);
    }

    /// <summary>Copies the values of the piece to where they belong.</summary>
    /// <param name="values">Values of the array in a row.</param>
    /// <param name="first">Number of the first of them.</param>
    public void CopyTo(Span<TValue> values, ulong first)
    {
        for (ulong at = Begin; at < End;)
        {
            ReadOnlySpan<TValue> some = ValuesFrom(at);
            some.CopyTo(values[(int)(at - first)..]);
            at += (ulong)some.Length;
        }
    }

    private void FindIndexPiece(ulong index)
    {
        if (_isInIndex && _index.Fault is null && index >= _index.Begin && index < _index.End) return;
        if (!_isInIndex || index != _index.End) _index.Seek(_array.Root, index);
        _isInIndex = true;
        _index.MoveNext();
    }

    private void ReadBlock()
    {
        ReadOnlySpan<Le64> addresses = _index.Addresses;
        try
        {
            ReadOnlyMemory<byte> block = reader.Read(addresses, ArrayBlockValidator.Instance);
            int needed = ArrayShape.ValuesIn<TValue>(_index.Begin, _array.Length);      // of all entries the first needs most
            if (ArrayBlockHeader.WhyUnfit(block.Span, Unsafe.SizeOf<TValue>(), (ulong)needed) is string cause)
                throw new MetadataCorruptException(addresses[0], cause, MetadataCorruption.Damaged);
            _block = block;
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            Fault = fault;
        }
    }
}
