using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Transmission;

/// <summary>The header of a request, in either of its two forms. <c>Length</c> is how many bytes of the export it is
/// about, 0 when the payload says so instead; <c>PayloadLength</c> is how many bytes follow.</summary>
internal readonly record struct NbdRequest(
    Command Command, CommandFlags Flags, ulong Cookie, ulong Offset, ulong Length, ulong PayloadLength)
{
    public bool IsWrite => Command is Command.Write or Command.Trim or Command.WriteZeroes;

    /// <summary>Whether what it writes must be stable before it is acknowledged.</summary>
    public bool WantsFlush => IsWrite && (Flags & CommandFlags.Fua) != CommandFlags.None;

    /// <summary>How many extents may answer a block status, for each context.</summary>
    public int MostExtents => (Flags & CommandFlags.RequestOne) != CommandFlags.None ? 1 : NbdLimits.Extents;

    public static int HeaderSize(ReplyStyle style) => style == ReplyStyle.Extended
        ? Unsafe.SizeOf<ExtendedRequest>()
        : Unsafe.SizeOf<CompactRequest>();

    /// <summary>Takes a header apart.</summary>
    /// <exception cref="NbdProtocolException">It is not a request.</exception>
    public static NbdRequest Parse(ReadOnlySpan<byte> header, ReplyStyle style) =>
        style == ReplyStyle.Extended ? ParseExtended(header) : ParseCompact(header);

    private static NbdRequest ParseCompact(ReadOnlySpan<byte> header)
    {
        ref readonly CompactRequest request = ref MemoryMarshal.AsRef<CompactRequest>(header);
        if (request.Magic != Magic.Request) throw WrongMagic();
        var command = (Command)(ushort)request.Command;
        return new NbdRequest(
            command,
            (CommandFlags)(ushort)request.Flags,
            request.Cookie,
            request.Offset,
            request.Length,
            command == Command.Write ? request.Length : 0u);
    }

    private static NbdRequest ParseExtended(ReadOnlySpan<byte> header)
    {
        ref readonly ExtendedRequest request = ref MemoryMarshal.AsRef<ExtendedRequest>(header);
        if (request.Magic != Magic.ExtendedRequest) throw WrongMagic();
        var command = (Command)(ushort)request.Command;
        var flags = (CommandFlags)(ushort)request.Flags;
        bool hasPayload = (flags & CommandFlags.PayloadLength) != CommandFlags.None;
        return new NbdRequest(
            command,
            flags,
            request.Cookie,
            request.Offset,
            hasPayload && command != Command.Write ? 0 : request.Length,
            hasPayload ? request.Length : 0);
    }

    private static NbdProtocolException WrongMagic() => new("wrong magic of a request");
}
