using DmEra.Backup.Maps;
using DmEra.Backup.Packs;

namespace DmEra.Backup.Taking;

/// <summary>A piece of a device on its way into a pack: at most 256 KiB, and not across a multiple of that.</summary>
internal sealed class Cell
{
    private readonly byte[] _plain = new byte[PackLimits.CellLength];
    private readonly byte[] _room = new byte[ContentCodec.LongestEncoding(PackLimits.CellLength)];
    private int _encodedLength;

    /// <summary>Its first sector.</summary>
    public long First { get; private set; }

    /// <summary>Its length in bytes.</summary>
    public int Length { get; private set; }

    /// <summary>Its length in sectors.</summary>
    public int Sectors => Length / RecordRow.SectorSize;

    /// <summary>True when there is nothing but zeroes in it.</summary>
    public bool IsZero { get; private set; }

    /// <summary>The pack that has the same content for the same sectors already; null when none is known.</summary>
    public PackReference? Known { get; private set; }

    /// <summary>What the directory of a pack says of it, unless it is all zeroes or known.</summary>
    public RecordRow Row { get; private set; }

    /// <summary>Takes the place of another piece; returns where its content goes.</summary>
    public Span<byte> Begin(SectorRange range)
    {
        First = range.First;
        Length = (int)(range.End - range.First) * RecordRow.SectorSize;
        return _plain.AsSpan(0, Length);
    }

    /// <summary>Finds out what there is to store.</summary>
    /// <param name="leftOvers">What is in the repository already.</param>
    public void Encode(LeftOverPacks leftOvers)
    {
        ReadOnlySpan<byte> plain = _plain.AsSpan(0, Length);
        Known = null;
        IsZero = !plain.ContainsAnyExcept((byte)0);
        if (IsZero) return;
        ContentHash hash = ContentHash.Of(plain);
        Known = leftOvers.Find(First, Length, hash);
        if (Known is not null) return;
        Row = new RecordRow
        {
            FirstSector = (ulong)First,
            PlainLength = (uint)Length,
            Encoding = (uint)ContentCodec.Encode(plain, _room, out _encodedLength),
            Content = hash,
        };
    }

    /// <summary>The record to store.</summary>
    public ReadOnlySpan<byte> Encoded =>
        Row.Encoding == (uint)RecordEncoding.Raw ? _plain.AsSpan(0, Length) : _room.AsSpan(0, _encodedLength);
}
