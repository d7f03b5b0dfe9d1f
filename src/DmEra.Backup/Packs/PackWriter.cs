using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Backup.Packs;

/// <summary>
/// Collects records into packs of one kind and hands each to the uploader when it is full. A pack is assembled in
/// memory: the records behind a gap, into which the directory and the header fit once their length is known.
/// </summary>
/// <param name="kind">What the records are.</param>
/// <param name="image">The image they are written for.</param>
/// <param name="numbers">Numbers packs, together with other writers for the same image.</param>
/// <param name="key">Encrypts; null where nothing is encrypted.</param>
/// <param name="uploader">Takes packs that are complete.</param>
internal sealed class PackWriter(
    PackKind kind, uint image, PackNumbers numbers, RepositoryKey? key, PackUploader uploader)
{
    private static readonly int Gap =
        Unsafe.SizeOf<PackHeader>() + (PackLimits.Records * Unsafe.SizeOf<RecordRow>()) + RecordCipher.Overhead;

    private readonly RecordRow[] _rows = new RecordRow[PackLimits.Records];
    private PackReference? _pack;
    private byte[] _buffer = [];
    private Salt _salt;
    private RecordCipher? _cipher;
    private int _count;
    private int _length;

    /// <summary>Bytes that a buffer for packs needs: the last record may begin just below the target.</summary>
    public static int BufferLength { get; } =
        Gap + PackLimits.TargetLength + PackLimits.RecordLength + RecordCipher.Overhead;

    /// <summary>Stored bytes of all packs handed to the uploader.</summary>
    public long BytesWritten { get; private set; }

    /// <summary>Adds a record.</summary>
    /// <param name="row">All but its stored length and checksum.</param>
    /// <param name="content">The record, compressed as the row says.</param>
    /// <param name="record">Its place in the pack.</param>
    /// <returns>The pack, which is closed when it is full or by <see cref="Close"/>.</returns>
    public PackReference Append(RecordRow row, ReadOnlySpan<byte> content, out int record)
    {
        if (_count == PackLimits.Records || _length >= PackLimits.TargetLength) Close();
        PackReference pack = _pack ??= Begin();
        int storedLength = content.Length + (_cipher is null ? 0 : RecordCipher.Overhead);
        Span<byte> stored = _buffer.AsSpan(Gap + _length, storedLength);
        if (_cipher is null) content.CopyTo(stored);
        else _cipher.Seal((uint)_count, content, [], stored);
        row.StoredLength = (uint)storedLength;
        row.StoredChecksum = Crc32C.Raw(stored);
        record = _count++;
        _rows[record] = row;
        _length += storedLength;
        return pack;
    }

    /// <summary>Adds a map, or part of one.</summary>
    /// <param name="firstSector">Where the region that it is of begins; 0 for the map of an image.</param>
    /// <param name="map">The map.</param>
    /// <param name="record">Its place in the pack.</param>
    public PackReference AppendMap(long firstSector, ReadOnlySpan<byte> map, out int record)
    {
        byte[] room = new byte[ContentCodec.LongestEncoding(map.Length)];
        RecordEncoding encoding = ContentCodec.Encode(map, room, out int length);
        RecordRow row = new()
        {
            FirstSector = (ulong)firstSector,
            PlainLength = (uint)map.Length,
            Encoding = (uint)encoding,
            Content = ContentHash.Of(map),
        };
        return Append(row, encoding == RecordEncoding.Raw ? map : room.AsSpan(0, length), out record);
    }

    /// <summary>Closes the pack that is being filled, if there is one.</summary>
    public void Close()
    {
        if (_pack is null) return;
        PackHeader header = new()
        {
            Magic = PackHeader.ExpectedMagic,
            Version = PackHeader.SupportedVersion,
            Kind = (uint)kind,
            IsEncrypted = _cipher is null ? 0u : 1u,
            RecordCount = (uint)_count,
            RecordsLength = (ulong)_length,
            Salt = _salt,
        };
        ReadOnlySpan<byte> headerBytes = MemoryMarshal.AsBytes(new ReadOnlySpan<PackHeader>(in header));
        ReadOnlySpan<byte> directory = MemoryMarshal.AsBytes(_rows.AsSpan(0, _count));
        int start = Gap - headerBytes.Length - directory.Length - (_cipher is null ? 0 : RecordCipher.Overhead);
        Span<byte> front = _buffer.AsSpan(start..Gap);
        headerBytes.CopyTo(front);
        if (_cipher is null) directory.CopyTo(front[headerBytes.Length..]);
        else _cipher.Seal(RecordCipher.DirectoryNumber, directory, headerBytes, front[headerBytes.Length..]);

        PackName name = new(image, numbers.Next(), ContentHash.Of(front));
        uploader.Upload(name.ToString(), _buffer, start, front.Length + _length);
        BytesWritten += front.Length + _length;
        _cipher?.Dispose();
        _cipher = null;
        // Last: closing the reference is what lets maps be written that lead to the pack.
        _pack.Close(name);
        _pack = null;
    }

    private PackReference Begin()
    {
        _buffer = uploader.RentBuffer();
        _salt = key is null ? default : RepositoryKey.NewSalt();
        _cipher = key?.CipherFor(_salt);
        _count = 0;
        _length = 0;
        return new PackReference();
    }
}

/// <summary>Numbers the packs of an image.</summary>
/// <param name="next">The first number.</param>
internal sealed class PackNumbers(uint next)
{
    private uint _next = next;

    public uint First { get; } = next;

    public uint Next() => _next++;
}
