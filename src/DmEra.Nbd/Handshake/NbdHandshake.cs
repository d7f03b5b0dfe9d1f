using System.Runtime.InteropServices;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Handshake;

/// <summary>
/// The fixed newstyle handshake, from the greeting to the moment when an export is chosen. This part talks: it receives
/// options, one after the other, and sends the replies; <c>NbdHandshake.Options</c> decides.
/// </summary>
internal sealed partial class NbdHandshake
{
    private const HandshakeFlags Offered = HandshakeFlags.FixedNewstyle | HandshakeFlags.NoZeroes;
    private const int ZeroesAfterExportSize = 124;

    private readonly IReadOnlyList<NbdExport> _exports;
    private readonly NbdTls? _tls;
    private HandshakeFlags _clientFlags;

    /// <summary>Prepares a handshake.</summary>
    /// <param name="transport">The connection.</param>
    /// <param name="exports">What the client may choose.</param>
    /// <param name="tls">Null to do without TLS.</param>
    public NbdHandshake(INbdTransport transport, IReadOnlyList<NbdExport> exports, NbdTls? tls)
    {
        Transport = transport;
        _exports = exports;
        _tls = tls;
    }

    private enum Outcome
    {
        NextOption,
        Ended,
        Transmission,
    }

    /// <summary>Called before a client is told that it may use an export: a text when it may not.</summary>
    public Func<NbdExport, string?> WhyRefuse { get; init; } = _ => null;

    /// <summary>The connection: with TLS on top as soon as that is started.</summary>
    public INbdTransport Transport { get; private set; }

    /// <summary>Negotiates.</summary>
    /// <returns>What was agreed on; null when the client went away without choosing an export.</returns>
    /// <exception cref="NbdProtocolException">There was no answer to what the client sent.</exception>
    public NbdSession? Run()
    {
        Greeting greeting = new()
        {
            Magic = Magic.Greeting,
            OptionMagic = Magic.Option,
            HandshakeFlags = (ushort)Offered,
        };
        if (!Transport.TrySend(BytesOf(ref greeting)) || !TryReceiveClientFlags()) return null;

        for (int count = 0; count < NbdLimits.Options; count++)
        {
            switch (ServeOption())
            {
                case Outcome.Ended: return null;
                case Outcome.Transmission: return Session();
            }
        }

        throw new NbdProtocolException($"more than {NbdLimits.Options} options");
    }

    private bool TryReceiveClientFlags()
    {
        Span<byte> field = stackalloc byte[sizeof(uint)];
        if (!TryReceive(field)) return false;
        uint flags = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(field);
        if ((flags & ~(uint)Offered) != 0) throw new NbdProtocolException($"unknown client flags 0x{flags:x}");
        _clientFlags = (HandshakeFlags)flags;
        return true;
    }

    private Outcome ServeOption()
    {
        OptionHeader header = default;
        if (!TryReceive(BytesOf(ref header))) return Outcome.Ended;
        if (header.Magic != Magic.Option) throw new NbdProtocolException("wrong magic of an option");

        var option = (Option)(uint)header.Option;
        if (!_clientFlags.HasFlag(HandshakeFlags.FixedNewstyle) && option != Option.ExportName)
            throw new NbdProtocolException($"option {(uint)option} without fixed newstyle");

        if (header.Length > NbdLimits.OptionBytes)
        {
            if (option == Option.ExportName || header.Length > NbdLimits.DiscardBytes)
                throw new NbdProtocolException($"{header.Length} bytes of option data");
            return TryDiscard((int)(uint)header.Length)
                ? Refuse(option, OptionReply.ErrorTooBig, $"more than {NbdLimits.OptionBytes} bytes of data")
                : Outcome.Ended;
        }

        byte[] data = new byte[(uint)header.Length];
        return TryReceive(data) ? Answer(option, data) : Outcome.Ended;
    }

    private bool TryReceive(Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = Transport.Receive(buffer);
            if (count == 0) return false;
            buffer = buffer[count..];
        }

        return true;
    }

    private bool TryDiscard(int length)
    {
        byte[] dropped = new byte[Math.Min(length, NbdLimits.OptionBytes)];
        for (; length > 0; length -= dropped.Length)
        {
            if (!TryReceive(dropped.AsSpan(0, Math.Min(length, dropped.Length)))) return false;
        }

        return true;
    }

    private Outcome Acknowledge(Option option) => Reply(option, OptionReply.Ack, []);

    private Outcome Refuse(Option option, OptionReply error, string why) =>
        Reply(option, error, System.Text.Encoding.UTF8.GetBytes(why));

    private Outcome Reply(Option option, OptionReply type, ReadOnlySpan<byte> data)
    {
        OptionReplyHeader header = new()
        {
            Magic = Magic.OptionReply,
            Option = (uint)option,
            Type = (uint)type,
            Length = (uint)data.Length,
        };
        return Transport.TrySend([.. BytesOf(ref header), .. data]) ? Outcome.NextOption : Outcome.Ended;
    }

    private static Span<byte> BytesOf<T>(ref T message)
        where T : unmanaged => MemoryMarshal.AsBytes(new Span<T>(ref message));
}
