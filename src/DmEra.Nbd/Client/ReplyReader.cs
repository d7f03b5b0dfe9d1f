using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using DmEra.Devices;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Client;

/// <summary>Takes the replies of a server apart: simple ones, and structured ones chunk by chunk. Believes nothing.</summary>
internal sealed class ReplyReader(INbdTransport transport, RemoteExport export)
{
    private const int BufferBytes = 64 << 10;
    private const int LargestErrorBytes = 8 << 10;
    private const int MostExtents = 1 << 20;        // what libnbd takes as well
    private const ChunkType ErrorBit = (ChunkType)(1 << 15);

    private readonly InputBuffer _input = new(transport, new byte[BufferBytes]);
    private readonly byte[] _error = new byte[LargestErrorBytes];

    // The header read last.
    private bool _isSimple;
    private NbdError _simpleError;
    private ChunkFlags _flags;
    private ChunkType _type;
    private uint _length;

    /// <summary>Reads the header of a reply or chunk.</summary>
    /// <param name="cookie">The request that it answers.</param>
    /// <returns>false when the server sends no more.</returns>
    /// <exception cref="NbdProtocolException">It is none.</exception>
    public bool TryReadNext(out ulong cookie)
    {
        cookie = 0;
        if (!_input.TryFill(sizeof(uint))) return false;
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(_input.Peek(sizeof(uint)));
        _isSimple = magic == Magic.SimpleReply;
        if (!_isSimple && !(magic == Magic.StructuredReply && export.HasChunks))
            throw new NbdProtocolException("wrong magic of a reply");
        int size = _isSimple ? Unsafe.SizeOf<SimpleReply>() : Unsafe.SizeOf<StructuredChunk>();
        if (!_input.TryFill(size)) return false;
        ReadOnlySpan<byte> header = _input.Peek(size);
        if (_isSimple)
        {
            ref readonly SimpleReply reply = ref MemoryMarshal.AsRef<SimpleReply>(header);
            _simpleError = (NbdError)(uint)reply.Error;
            cookie = reply.Cookie;
        }
        else
        {
            ref readonly StructuredChunk chunk = ref MemoryMarshal.AsRef<StructuredChunk>(header);
            _flags = (ChunkFlags)(ushort)chunk.Flags;
            _type = (ChunkType)(ushort)chunk.Type;
            _length = chunk.Length;
            cookie = chunk.Cookie;
        }

        _input.Skip(size);
        return true;
    }

    /// <summary>Reads what follows the header.</summary>
    /// <returns>true when it was the last of the reply.</returns>
    /// <exception cref="NbdProtocolException">It is not what it should be, or broken off.</exception>
    public bool ReadBody(ClientCall call)
    {
        if (!_isSimple)
        {
            ReadChunk(call);
            return (_flags & ChunkFlags.Done) != ChunkFlags.None;
        }

        if (_simpleError == NbdError.None && export.HasChunks && call.Request.Command is Command.Read or Command.BlockStatus)
            throw new NbdProtocolException("a simple reply where chunks were agreed on");
        if (_simpleError != NbdError.None) call.Fail(_simpleError, "");
        else if (call.Request.Command == Command.Read) ReadData(call, (ulong)call.Request.Offset, call.Request.Length);
        return true;
    }

    private void ReadChunk(ClientCall call)
    {
        switch (_type)
        {
            case ChunkType.None when _length == 0 && (_flags & ChunkFlags.Done) != ChunkFlags.None:
                return;
            case ChunkType.OffsetData when _length > sizeof(ulong):
                ReadData(call, ReadUInt64(), _length - sizeof(ulong));
                return;
            case ChunkType.OffsetHole when _length == Unsafe.SizeOf<Hole>():
                call.Place(ReadUInt64(), ReadUInt32()).Clear();
                return;
            case ChunkType.BlockStatus when IsStatus(_length):
                ReadStatus(call);
                return;
            case >= ErrorBit when _length >= Unsafe.SizeOf<ErrorPayload>() && _length <= LargestErrorBytes:
                ReadError(call);
                return;
            default:
                throw new NbdProtocolException($"a chunk of type {(ushort)_type} and {_length} bytes");
        }
    }

    private void ReadData(ClientCall call, ulong offset, long length)
    {
        if (!_input.TryTake(call.Place(offset, length))) throw BrokenOff();
    }

    private void ReadStatus(ClientCall call)
    {
        uint id = ReadUInt32();
        if (call.Request.Command != Command.BlockStatus || id != export.AllocationId)
            throw new NbdProtocolException($"the status of context {id}, which nobody asked for");
        if (call.Extents.Count > 0) throw new NbdProtocolException("the status of a context twice");
        long left = call.Request.Length;
        for (uint read = sizeof(uint); read < _length; read += (uint)Unsafe.SizeOf<BlockDescriptor>())
        {
            // The last extent may reach beyond what was asked for.
            long length = Math.Min(ReadUInt32(), left);
            uint status = ReadUInt32();
            if (length == 0) throw new NbdProtocolException("an extent of no length, or behind what was asked for");
            call.Extents.Add(new Extent(length, status));
            left -= length;
        }
    }

    private static bool IsStatus(uint length)
    {
        (uint count, uint rest) = Math.DivRem(length - sizeof(uint), (uint)Unsafe.SizeOf<BlockDescriptor>());
        return length > sizeof(uint) && rest == 0 && count <= MostExtents;
    }

    private void ReadError(ClientCall call)
    {
        Span<byte> payload = _error.AsSpan(0, (int)_length);
        if (!_input.TryTake(payload)) throw BrokenOff();
        ref ErrorPayload error = ref MemoryMarshal.AsRef<ErrorPayload>(payload);
        Span<byte> text = payload[Unsafe.SizeOf<ErrorPayload>()..];
        if (error.TextLength > text.Length) throw new NbdProtocolException("the text of an error is longer than its chunk");
        string printable = string.Concat(Encoding.UTF8.GetString(text[..error.TextLength.Value]).Where(letter => !char.IsControl(letter)));
        call.Fail((NbdError)(uint)error.Error, printable);
    }

    private ulong ReadUInt64() => BinaryPrimitives.ReadUInt64BigEndian(Take(sizeof(ulong)));

    private uint ReadUInt32() => BinaryPrimitives.ReadUInt32BigEndian(Take(sizeof(uint)));

    private ReadOnlySpan<byte> Take(int count)
    {
        if (!_input.TryFill(count)) throw BrokenOff();
        ReadOnlySpan<byte> bytes = _input.Peek(count);
        _input.Skip(count);
        return bytes;
    }

    private static NbdProtocolException BrokenOff() => new("a reply is broken off");
}
