using DmEra.Devices;

namespace DmEra.Target.Chronicles;

/// <summary>The records of a chronicle, oldest first. A record that was torn by a power failure at the end is none. Changed by one
/// thread at a time; any other may search it meanwhile.</summary>
internal sealed class ChronicleFile : IDisposable
{
    private const int ReservedAhead = 64;       // records: what is reserved at a time
    private const int RecordsOfAnEra = 2;       // its beginning and its end

    private readonly FileBlockDevice _file;
    private volatile Tail _tail;    // written when a record is durable: what it counts does not change any more

    private ChronicleFile(FileBlockDevice file, ChronicleHeader header)
    {
        _file = file;
        Header = header;
        long count = (file.Length / ChronicleBytes.Size) - 1;
        while (count > 0 && Read(count - 1) is null) count--;
        _tail = new Tail(count, count > 0 ? Read(count - 1) : null);
    }

    /// <summary>What the records are of.</summary>
    public ChronicleHeader Header { get; private set; }

    /// <summary>The latest record; null when there is none.</summary>
    public ChronicleRecord? Last => _tail.Last;

    /// <summary>Reads a file, which is disposed of with this.</summary>
    /// <returns>null when it is no chronicle, or one whose beginning is damaged.</returns>
    public static ChronicleFile? TryOpen(FileBlockDevice file)
    {
        if (file.Length < ChronicleBytes.Size) return null;
        Span<byte> bytes = stackalloc byte[ChronicleBytes.Size];
        file.Read(0, bytes);
        return ChronicleBytes.TryRead(bytes, out ChronicleHeader header)
            && header.Magic == ChronicleHeader.ExpectedMagic && header.Version == ChronicleHeader.SupportedVersion
            ? new ChronicleFile(file, header)
            : null;
    }

    /// <summary>The latest record of an era's beginning; null when there is none, or it is damaged.</summary>
    public ChronicleRecord? Find(uint era)
    {
        // Eras ascend. A damaged record hides what is behind it, which is then unknown: nobody is told a wrong mark.
        long low = 0;
        for (long high = _tail.Count; low < high;)
        {
            long middle = low + ((high - low) / 2);
            if (Read(middle) is { } record && record.Era <= era) low = middle + 1;
            else high = middle;
        }

        return low > 0 && Read(low - 1) is { } found && found.Era == era ? found : null;
    }

    /// <summary>Makes sure that what is appended soon has its place.</summary>
    /// <exception cref="DeviceException">There is no room.</exception>
    public void MakeRoom()
    {
        long end = _file.Length;
        if (OffsetOf(_tail.Count + RecordsOfAnEra) <= end) return;
        long longer = OffsetOf(_tail.Count + ReservedAhead);
        _file.TryExtend(longer);
        try
        {
            _file.Reserve(end, longer - end);
        }
        catch
        {
            _file.Cut(end);     // what is behind the records has its space
            throw;
        }
    }

    /// <summary>Appends a record. It is durable on return.</summary>
    /// <exception cref="DeviceException">It is not there.</exception>
    public void Append(in ChronicleRecord record)
    {
        MakeRoom();
        long count = _tail.Count;
        _file.Write(OffsetOf(count), ChronicleBytes.Of(record));
        _file.Flush();
        _tail = new Tail(count + 1, record);
    }

    /// <summary>Says that the metadata has lost its lineage, as the kernel blanks it, and is the same.</summary>
    /// <exception cref="DeviceException">It is not said.</exception>
    public void ForgetLineage()
    {
        Header = ChronicleHeader.For(null);
        _file.Write(0, ChronicleBytes.Of(Header));
        _file.Flush();
    }

    /// <summary>Lets the file be opened once more.</summary>
    public void ReleaseLock() => _file.ReleaseLock();

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private ChronicleRecord? Read(long index)
    {
        Span<byte> bytes = stackalloc byte[ChronicleBytes.Size];
        _file.Read(OffsetOf(index), bytes);
        return ChronicleBytes.TryRead(bytes, out ChronicleRecord record) && record.Event != (uint)ChronicleEvent.None ? record : null;
    }

    private static long OffsetOf(long index) => (index + 1) * ChronicleBytes.Size;

    private sealed record Tail(long Count, ChronicleRecord? Last);
}
