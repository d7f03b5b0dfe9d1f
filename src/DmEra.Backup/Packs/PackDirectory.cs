using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Backup.Stores;
using DmEra.PersistentData.Blocks;

namespace DmEra.Backup.Packs;

/// <summary>What is in a pack, checked against the pack's name: from here on its records can be trusted or found
/// out. Immutable; any thread.</summary>
internal sealed class PackDirectory
{
    private readonly RecordRow[] _rows;
    private readonly long[] _offsets;       // of each record in the object; one more for the end
    private readonly RecordCipher? _cipher;

    private PackDirectory(PackName name, PackKind kind, RecordRow[] rows, long[] offsets, RecordCipher? cipher)
    {
        Name = name;
        Kind = kind;
        _rows = rows;
        _offsets = offsets;
        _cipher = cipher;
    }

    /// <summary>The pack.</summary>
    public PackName Name { get; }

    /// <summary>What its records are.</summary>
    public PackKind Kind { get; }

    /// <summary>Its records, in the order in which they lie.</summary>
    public ReadOnlySpan<RecordRow> Rows => _rows;

    /// <summary>Bytes of the whole object.</summary>
    public long ObjectLength => _offsets[^1];

    /// <summary>Memory that it takes, roughly.</summary>
    public int Weight => 256 + (_rows.Length * (Unsafe.SizeOf<RecordRow>() + sizeof(long)));

    /// <summary>Length of the object's front that <see cref="Parse"/> needs; 0 when the header is no pack's.</summary>
    public static int FrontLength(ReadOnlySpan<byte> start)
    {
        if (start.Length < Unsafe.SizeOf<PackHeader>()) return 0;
        PackHeader header = MemoryMarshal.Read<PackHeader>(start);
        bool isValid = header.Magic == PackHeader.ExpectedMagic
            && header.Version == PackHeader.SupportedVersion
            && header.RecordCount is { Value: > 0 and <= PackLimits.Records }
            && header.IsEncrypted <= 1;
        return !isValid ? 0 : Unsafe.SizeOf<PackHeader>()
            + (int)(header.RecordCount * (uint)Unsafe.SizeOf<RecordRow>())
            + (header.IsEncrypted == 0 ? 0 : RecordCipher.Overhead);
    }

    /// <summary>Reads the front of a pack.</summary>
    /// <param name="name">The name under which it was found.</param>
    /// <param name="front">As many bytes as <see cref="FrontLength"/> tells.</param>
    /// <param name="key">The repository's; null where nothing is encrypted.</param>
    /// <exception cref="ObjectDamagedException">It is not what was written under this name.</exception>
    public static PackDirectory Parse(PackName name, ReadOnlySpan<byte> front, RepositoryKey? key)
    {
        if (ContentHash.Of(front) != name.Directory) throw Damaged(name, "its directory is not the one it was named after");
        PackHeader header = MemoryMarshal.Read<PackHeader>(front);
        if ((header.IsEncrypted == 1) != (key is not null)) throw Damaged(name, "encrypted otherwise than the repository");
        RecordRow[] rows = new RecordRow[header.RecordCount];
        ReadOnlySpan<byte> headerBytes = front[..Unsafe.SizeOf<PackHeader>()];
        ReadOnlySpan<byte> directory = front[headerBytes.Length..];
        RecordCipher? cipher = key?.CipherFor(header.Salt);
        Span<byte> plain = MemoryMarshal.AsBytes(rows.AsSpan());
        if (cipher is null) directory.CopyTo(plain);
        else if (!cipher.TryOpen(RecordCipher.DirectoryNumber, directory, headerBytes, plain))
            throw Damaged(name, "its directory was not written with this repository's key");

        return new PackDirectory(
            name, (PackKind)header.Kind.Value, rows, CheckRows(name, header, rows, front.Length), cipher);
    }

    /// <summary>Where a record lies in the object, and how many bytes it takes with those behind it.</summary>
    public (long Offset, int Length) RangeOf(int record, int count = 1) =>
        (_offsets[record], (int)(_offsets[record + count] - _offsets[record]));

    /// <summary>The record that holds a sector of the device; -1 when none does.</summary>
    public int Find(long sector)
    {
        int low = 0;
        int high = _rows.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (_rows[middle].EndSector <= sector) low = middle + 1;
            else if ((long)_rows[middle].FirstSector.Value > sector) high = middle - 1;
            else return middle;
        }

        return -1;
    }

    /// <summary>Checks a record as it is stored.</summary>
    /// <param name="record">Which.</param>
    /// <param name="stored">Its bytes in the object; they are decrypted in place.</param>
    /// <returns>The content as it was compressed, in <paramref name="stored"/>.</returns>
    /// <exception cref="ObjectDamagedException">It is not what was written.</exception>
    public ReadOnlySpan<byte> Open(int record, Span<byte> stored)
    {
        ref readonly RecordRow row = ref _rows[record];
        if (stored.Length != row.StoredLength || Crc32C.Raw(stored) != row.StoredChecksum)
            throw Damaged(Name, $"record {record} is not as it was stored");
        Span<byte> compressed = _cipher is null ? stored : stored[..^RecordCipher.Overhead];
        if (_cipher is not null && !_cipher.TryOpen((uint)record, stored, [], compressed))
            throw Damaged(Name, $"record {record} was not written with this repository's key");
        return compressed;
    }

    /// <summary>Restores a record and checks it, as stored and as it was before.</summary>
    /// <param name="record">Which.</param>
    /// <param name="stored">Its bytes in the object; they are decrypted in place.</param>
    /// <param name="plain">Takes its content: as long as the record's row says.</param>
    /// <returns>The content as it was compressed, in <paramref name="stored"/>.</returns>
    /// <exception cref="ObjectDamagedException">It is not what was written.</exception>
    public ReadOnlySpan<byte> Decode(int record, Span<byte> stored, Span<byte> plain)
    {
        ReadOnlySpan<byte> compressed = Open(record, stored);
        ref readonly RecordRow row = ref _rows[record];
        if (!ContentCodec.TryDecode((RecordEncoding)row.Encoding.Value, compressed, plain)
            || ContentHash.Of(plain) != row.Content)
        {
            throw Damaged(Name, $"record {record} does not have the content it had when written");
        }

        return compressed;
    }

    private static long[] CheckRows(PackName name, PackHeader header, RecordRow[] rows, int frontLength)
    {
        int longest = (PackKind)header.Kind.Value switch
        {
            PackKind.Content => PackLimits.CellLength,
            PackKind.Index => PackLimits.RecordLength,
            _ => throw Damaged(name, $"packs of kind {header.Kind} are unknown"),
        };
        bool isContent = longest == PackLimits.CellLength;
        long[] offsets = new long[rows.Length + 1];
        offsets[0] = frontLength;
        long end = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            ref readonly RecordRow row = ref rows[i];
            bool isValid = row.PlainLength > 0 && row.PlainLength <= longest
                && row.StoredLength <= longest + RecordCipher.Overhead
                && row.StoredLength >= (header.IsEncrypted == 0 ? 0 : RecordCipher.Overhead);
            if (isContent)
            {
                isValid = isValid && row.PlainLength % RecordRow.SectorSize == 0
                    && row.FirstSector <= long.MaxValue / RecordRow.SectorSize && (long)row.FirstSector.Value >= end;
                end = row.EndSector;
            }

            if (!isValid) throw Damaged(name, $"record {i} is out of range");
            offsets[i + 1] = offsets[i] + row.StoredLength;
        }

        if ((ulong)(offsets[^1] - frontLength) != header.RecordsLength) throw Damaged(name, "its lengths contradict");
        return offsets;
    }

    private static ObjectDamagedException Damaged(PackName name, string cause) => new(name.ToString(), cause);
}
