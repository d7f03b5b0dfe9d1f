using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Unicode;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Transmission;

/// <summary>Lays replies out in the style that was negotiated. Every method says how many bytes it wrote.</summary>
internal sealed class ReplyEncoder(ReplyStyle style)
{
    /// <summary>No reply without data is longer.</summary>
    public const int LongestShortReply = 256;

    private const int LongestText = 200;
    private const int HoleBlock = 4096;
    private const int SmallestHole = 512;

    private readonly bool _hasChunks = style != ReplyStyle.Simple;
    private readonly int _chunkHeaderSize = style == ReplyStyle.Extended
        ? Unsafe.SizeOf<ExtendedChunk>()
        : Unsafe.SizeOf<StructuredChunk>();

    /// <summary>Bytes before the data of a read.</summary>
    public int DataHeaderSize =>
        _hasChunks ? _chunkHeaderSize + Unsafe.SizeOf<Be64>() : Unsafe.SizeOf<SimpleReply>();

    private int StatusHeaderSize => _chunkHeaderSize
        + (style == ReplyStyle.Extended ? Unsafe.SizeOf<ExtendedStatusPayload>() : Unsafe.SizeOf<Be32>());

    private int ExtentSize =>
        style == ReplyStyle.Extended ? Unsafe.SizeOf<ExtendedBlockDescriptor>() : Unsafe.SizeOf<BlockDescriptor>();

    /// <summary>Bytes of a chunk with as many extents of one context.</summary>
    public int StatusSize(int extents) => StatusHeaderSize + (extents * ExtentSize);

    /// <summary>Bytes of a whole reply at most, if it tells all at once.</summary>
    public int LongestReply(in NbdRequest request, int contexts) => request.Command switch
    {
        Command.Read => DataHeaderSize + (int)request.Length,
        Command.BlockStatus => contexts * StatusSize(request.MostExtents),
        _ => LongestShortReply,
    };

    /// <summary>Success, with nothing more to tell.</summary>
    public int WriteDone(Span<byte> to, in NbdRequest request) =>
        style == ReplyStyle.Extended || (style == ReplyStyle.Structured && request.Command == Command.Read)
            ? WriteChunkHeader(to, request, ChunkFlags.Done, ChunkType.None, 0)
            : WriteSimple(to, request, NbdError.None);

    /// <summary>Failure of the whole request.</summary>
    public int WriteError(Span<byte> to, in NbdRequest request, NbdError error, string text)
    {
        if (!_hasChunks) return WriteSimple(to, request, error);
        int fixedSize = _chunkHeaderSize + Unsafe.SizeOf<ErrorPayload>();
        Utf8.FromUtf16(text, to.Slice(fixedSize, LongestText), out _, out int textLength);
        ref ErrorPayload payload = ref MemoryMarshal.AsRef<ErrorPayload>(to[_chunkHeaderSize..]);
        payload.Error = (uint)error;
        payload.TextLength = (ushort)textLength;
        WriteChunkHeader(to, request, ChunkFlags.Done, ChunkType.Error, Unsafe.SizeOf<ErrorPayload>() + textLength);
        return fixedSize + textLength;
    }

    /// <summary>Whether the data of a read must come behind one header, so that it cannot fail half-way.</summary>
    public bool NeedsWholeData(in NbdRequest request) =>
        !_hasChunks || (request.Flags & CommandFlags.Df) != CommandFlags.None;

    /// <summary>The header of a read's data, which is to follow as it is.</summary>
    public int BeginRead(Span<byte> to, in NbdRequest request) => _hasChunks
        ? WriteDataHeader(to, request, ChunkFlags.Done, request.Offset, (int)request.Length)
        : WriteSimple(to, request, NbdError.None);

    /// <summary>Makes a reply of data that was read to behind the place of its header.</summary>
    /// <param name="reply"><see cref="DataHeaderSize"/> bytes to be filled in, then the data; zeroes among the data
    /// are told as holes, and what follows is moved up.</param>
    /// <param name="request">The read.</param>
    /// <param name="from">How far into the read this data begins, if it is not all of it.</param>
    public int FinishRead(Span<byte> reply, in NbdRequest request, int from = 0)
    {
        int header = DataHeaderSize;
        int length = reply.Length - header;
        if (!_hasChunks)
        {
            WriteSimple(reply, request, NbdError.None);
            return reply.Length;
        }

        bool isWhole = NeedsWholeData(request);
        int written = 0;
        for (int start = 0, end; start < length; start = end)
        {
            end = isWhole ? length : EndOfRun(reply[header..], start);
            ChunkFlags flags = from + end == (int)request.Length ? ChunkFlags.Done : ChunkFlags.None;
            ulong offset = request.Offset + (uint)(from + start);
            ReadOnlySpan<byte> data = reply[(header + start)..(header + end)];
            if (IsZero(data))
            {
                written += WriteHole(reply[written..], request, flags, offset, data.Length);
                continue;
            }

            // The first data lies right behind its header; later data comes after a hole, which leaves room for both
            // headers.
            data.CopyTo(reply[(written + header)..]);
            written += WriteDataHeader(reply[written..], request, flags, offset, data.Length);
            written += data.Length;
        }

        return written;
    }

    /// <summary>The extents of one context.</summary>
    public int WriteStatus(
        Span<byte> to, in NbdRequest request, ChunkFlags flags, uint contextId, ReadOnlySpan<Extent> extents)
    {
        int size = StatusSize(extents.Length);
        int payload = WriteChunkHeader(
            to,
            request,
            flags,
            style == ReplyStyle.Extended ? ChunkType.BlockStatusExtended : ChunkType.BlockStatus,
            size - _chunkHeaderSize);
        MemoryMarshal.AsRef<Be32>(to[payload..]) = contextId;
        if (style == ReplyStyle.Extended) WriteLongExtents(to, (uint)extents.Length, extents);
        else WriteShortExtents(to, extents);
        return size;
    }

    // Up to where the blocks from start on are all zeroes, or all not.
    private static int EndOfRun(ReadOnlySpan<byte> data, int start)
    {
        int end = EndOfBlock(data, start);
        bool isZero = IsZero(data[start..end]);
        while (end < data.Length)
        {
            int next = EndOfBlock(data, end);
            if (IsZero(data[end..next]) != isZero) break;
            end = next;
        }

        return end;
    }

    // The last block is the longer one, so that none is too short to be replaced by the headers around a hole.
    private static int EndOfBlock(ReadOnlySpan<byte> data, int start) =>
        data.Length - start < 2 * HoleBlock ? data.Length : start + HoleBlock;

    private static bool IsZero(ReadOnlySpan<byte> data) =>
        data.Length >= SmallestHole && !data.ContainsAnyExcept((byte)0);

    private int WriteDataHeader(Span<byte> to, in NbdRequest request, ChunkFlags flags, ulong offset, int length)
    {
        int size = WriteChunkHeader(to, request, flags, ChunkType.OffsetData, Unsafe.SizeOf<Be64>() + length);
        MemoryMarshal.AsRef<Be64>(to[size..]) = offset;
        return DataHeaderSize;
    }

    private int WriteHole(Span<byte> to, in NbdRequest request, ChunkFlags flags, ulong offset, int length)
    {
        int size = WriteChunkHeader(to, request, flags, ChunkType.OffsetHole, Unsafe.SizeOf<Hole>());
        ref Hole hole = ref MemoryMarshal.AsRef<Hole>(to[size..]);
        hole.Offset = offset;
        hole.Length = (uint)length;
        return size + Unsafe.SizeOf<Hole>();
    }

    private void WriteShortExtents(Span<byte> to, ReadOnlySpan<Extent> extents)
    {
        Span<BlockDescriptor> descriptors = MemoryMarshal.Cast<byte, BlockDescriptor>(to[StatusHeaderSize..]);
        for (int i = 0; i < extents.Length; i++)
        {
            descriptors[i].Length = (uint)extents[i].Length;
            descriptors[i].Status = extents[i].Status;
        }
    }

    private void WriteLongExtents(Span<byte> to, uint count, ReadOnlySpan<Extent> extents)
    {
        MemoryMarshal.AsRef<ExtendedStatusPayload>(to[_chunkHeaderSize..]).Count = count;
        Span<ExtendedBlockDescriptor> descriptors =
            MemoryMarshal.Cast<byte, ExtendedBlockDescriptor>(to[StatusHeaderSize..]);
        for (int i = 0; i < extents.Length; i++)
        {
            descriptors[i].Length = (ulong)extents[i].Length;
            descriptors[i].Status = extents[i].Status;
        }
    }

    private static int WriteSimple(Span<byte> to, in NbdRequest request, NbdError error)
    {
        ref SimpleReply reply = ref MemoryMarshal.AsRef<SimpleReply>(to);
        reply.Magic = Magic.SimpleReply;
        reply.Error = (uint)error;
        reply.Cookie = request.Cookie;
        return Unsafe.SizeOf<SimpleReply>();
    }

    private int WriteChunkHeader(Span<byte> to, in NbdRequest request, ChunkFlags flags, ChunkType type, int length)
    {
        if (style == ReplyStyle.Extended)
        {
            ref ExtendedChunk chunk = ref MemoryMarshal.AsRef<ExtendedChunk>(to);
            chunk.Magic = Magic.ExtendedReply;
            chunk.Flags = (ushort)flags;
            chunk.Type = (ushort)type;
            chunk.Cookie = request.Cookie;
            chunk.Offset = request.Offset;
            chunk.Length = (ulong)length;
        }
        else
        {
            ref StructuredChunk chunk = ref MemoryMarshal.AsRef<StructuredChunk>(to);
            chunk.Magic = Magic.StructuredReply;
            chunk.Flags = (ushort)flags;
            chunk.Type = (ushort)type;
            chunk.Cookie = request.Cookie;
            chunk.Length = (uint)length;
        }

        return _chunkHeaderSize;
    }
}
