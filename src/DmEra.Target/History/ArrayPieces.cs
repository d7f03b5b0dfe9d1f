using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.History;

/// <summary>
/// Walks over a range of an array, an array block at a time, and over what cannot be read in between:
/// <c>while (pieces.MoveNext())</c>. No fault stops it.
/// </summary>
internal ref struct ArrayPieces<TValue>
    where TValue : unmanaged
{
    private readonly ArrayReader<TValue> _reader;
    private readonly ArrayRef _array;
    private readonly ulong _end;                // of the range, in values
    private ulong _next;                        // first value behind the current piece
    private ReadOnlySpan<byte> _blocks;         // read ahead
    private ulong _blocksIndex;                 // number of the first of them

    /// <summary>Sets out at value <paramref name="begin"/>; stops at <paramref name="end"/> or where the array ends.</summary>
    public ArrayPieces(ArrayReader<TValue> reader, ArrayRef array, ulong begin, ulong end)
    {
        _reader = reader;
        _array = array;
        _next = begin;
        _end = Math.Min(end, array.Length);
    }

    /// <summary>Number of the first value of the piece.</summary>
    public ulong Begin { get; private set; }

    /// <summary>Number of the value behind the piece.</summary>
    public readonly ulong End => _next;

    /// <summary>The values; empty when they cannot be read. Valid until the next call.</summary>
    public ReadOnlySpan<TValue> Values { get; private set; }

    /// <summary>Why the values cannot be read; null when they are there.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>With a <see cref="Fault"/>: the way to it, from the root of the index downwards.</summary>
    public readonly IReadOnlyList<ulong> FaultPath => _reader.LostPath;

    /// <summary>Steps to the next piece.</summary>
    /// <returns>false at the end of the range.</returns>
    public bool MoveNext()
    {
        if (_next >= _end) return false;
        Begin = _next;
        ulong perBlock = (ulong)ArrayReader<TValue>.EntriesPerBlock;
        ulong index = Begin / perBlock;
        Fault = IsReadAhead(index) ? null : ReadAhead(index);
        ulong pieceEnd = Fault is null ? index + 1 : _reader.LostEnd;
        _next = pieceEnd > _end / perBlock ? _end : pieceEnd * perBlock;
        Values = Fault is null ? Slice(index, (int)(Begin - (index * perBlock)), (int)(End - Begin)) : [];
        return true;
    }

    private readonly ReadOnlySpan<TValue> Slice(ulong index, int start, int count) =>
        ArrayReader<TValue>.Values(_blocks, (int)(index - _blocksIndex)).Slice(start, count);

    private readonly bool IsReadAhead(ulong index) =>
        index - _blocksIndex < (ulong)(_blocks.Length / MetadataReader.BlockSize);

    private Exception? ReadAhead(ulong index)
    {
        _blocks = [];
        _blocksIndex = index;
        ulong blocksLeft = ArrayReader<TValue>.BlockCount(_end) - index;
        int count = (int)Math.Min(blocksLeft, MetadataReader.MaxRun);
        Exception? fault;
        // One bad block among many: those before it are good.
        while ((fault = TryRead(index, count)) is not null && count > 1) count /= 2;
        return fault;
    }

    private Exception? TryRead(ulong index, int count)
    {
        try
        {
            _blocks = _reader.Read(_array, index, count);
            return null;
        }
        catch (Exception fault) when (fault is MetadataCorruptException or DeviceException)
        {
            return fault;
        }
    }
}
