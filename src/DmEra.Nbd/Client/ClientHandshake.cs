using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Client;

/// <summary>The fixed newstyle handshake from the client's side: TLS, structured replies and <c>base:allocation</c> as far
/// as the server has them, and the export.</summary>
internal sealed class ClientHandshake
{
    private const int LargestReply = 64 << 10;
    private const int PayloadWithoutLimit = 32 << 20;
    private const int LargestMinimumBlock = 64 << 10;

    private static readonly byte[] Allocation = "base:allocation"u8.ToArray();

    private readonly NbdUri _uri;
    private readonly ClientTls? _tls;

    public ClientHandshake(INbdTransport transport, NbdUri uri, ClientTls? tls)
    {
        Transport = transport;
        _uri = uri;
        _tls = tls;
    }

    /// <summary>The connection: with TLS on top as soon as that is started.</summary>
    public INbdTransport Transport { get; private set; }

    /// <summary>Negotiates.</summary>
    /// <exception cref="NbdProtocolException">The server refuses, or does not speak the protocol.</exception>
    public RemoteExport Run()
    {
        Greet();
        if (_tls is not null)
        {
            Require(Option.StartTls, Ask(Option.StartTls, []));
            Transport = _tls.Start(Transport, _uri.TlsHostName);
        }

        bool hasChunks = Ask(Option.StructuredReply, []).Type == OptionReply.Ack;
        uint? allocation = hasChunks ? SelectAllocation() : null;
        return Go(hasChunks, allocation);
    }

    private void Greet()
    {
        Greeting greeting = default;
        Receive(BytesOf(ref greeting));
        if (greeting.Magic != Magic.Greeting || greeting.OptionMagic != Magic.Option)
            throw new NbdProtocolException("it is no NBD server, or one of the old style");
        var offered = (HandshakeFlags)(ushort)greeting.HandshakeFlags;
        if (!offered.HasFlag(HandshakeFlags.FixedNewstyle)) throw new NbdProtocolException("the server has no fixed newstyle");
        byte[] flags = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(flags, (uint)(offered & (HandshakeFlags.FixedNewstyle | HandshakeFlags.NoZeroes)));
        Send(flags);
    }

    private uint? SelectAllocation()
    {
        uint? id = null;
        Ask(
            Option.SetMetaContext,
            [.. Text(_uri.ExportName), .. BigEndian(1), .. BigEndian((uint)Allocation.Length), .. Allocation],
            (type, data) =>
            {
                if (type == OptionReply.MetaContext && data.Length > sizeof(uint)
                    && data.AsSpan(sizeof(uint)).SequenceEqual(Allocation))
                {
                    id = BinaryPrimitives.ReadUInt32BigEndian(data);
                }
            });
        return id;
    }

    private RemoteExport Go(bool hasChunks, uint? allocation)
    {
        RemoteExport? export = null;
        int minimum = 1;
        int maximum = PayloadWithoutLimit;
        byte[] request = [.. Text(_uri.ExportName), 0, 1, 0, (byte)Information.BlockSize];
        Require(Option.Go, Ask(Option.Go, request, (type, data) =>
        {
            if (type != OptionReply.Info || data.Length < sizeof(ushort)) return;
            Span<byte> body = data.AsSpan(sizeof(ushort));
            var information = (Information)BinaryPrimitives.ReadUInt16BigEndian(data);
            if (information == Information.Export && body.Length == Unsafe.SizeOf<ExportSize>())
            {
                ref ExportSize size = ref MemoryMarshal.AsRef<ExportSize>(body);
                if (export is not null) throw new NbdProtocolException("the size of the export twice");
                if (size.Size > long.MaxValue) throw new NbdProtocolException($"an export of {size.Size} bytes");
                export = new RemoteExport(
                    (long)size.Size.Value, (TransmissionFlags)size.TransmissionFlags.Value, 1, 0, hasChunks, allocation);
            }
            else if (information == Information.BlockSize && body.Length == Unsafe.SizeOf<BlockSizes>())
            {
                ref BlockSizes sizes = ref MemoryMarshal.AsRef<BlockSizes>(body);
                minimum = (int)Math.Min(sizes.Minimum, int.MaxValue);
                maximum = (int)Math.Min(sizes.MaximumPayload, PayloadWithoutLimit);
            }
        }));
        if (minimum is < 1 or > LargestMinimumBlock || maximum < minimum)
            throw new NbdProtocolException($"blocks of at least {minimum} and payloads of at most {maximum} bytes");
        return export is null
            ? throw new NbdProtocolException("the server did not tell the size of the export")
            : export with { MinimumBlock = minimum, MaximumPayload = maximum / minimum * minimum };
    }

    private static void Require(Option option, (OptionReply Type, string Text) reply)
    {
        if (reply.Type == OptionReply.Ack) return;
        string why = reply.Type switch
        {
            OptionReply.ErrorTlsRequired => "the server wants TLS: say nbds instead of nbd",
            OptionReply.ErrorUnknown => "the server has no export of that name",
            OptionReply.ErrorUnsupported => $"the server does not know {option}",
            OptionReply.ErrorPolicy => $"the server does not allow {option}",
            _ => $"the server refuses {option} (0x{(uint)reply.Type:x})",
        };
        throw new NbdProtocolException(reply.Text.Length == 0 ? why : $"{why}: {reply.Text}");
    }

    // Hands on the replies before the last one, and returns that, with the text of an error.
    private (OptionReply Type, string Text) Ask(Option option, byte[] data, Action<OptionReply, byte[]>? onReply = null)
    {
        OptionHeader header = new() { Magic = Magic.Option, Option = (uint)option, Length = (uint)data.Length };
        Send([.. BytesOf(ref header), .. data]);
        for (int count = 0; count < NbdLimits.Options; count++)
        {
            OptionReplyHeader reply = default;
            Receive(BytesOf(ref reply));
            if (reply.Magic != Magic.OptionReply || reply.Option != (uint)option || reply.Length > LargestReply)
                throw new NbdProtocolException($"malformed reply to {option}");
            byte[] body = new byte[(uint)reply.Length];
            Receive(body);
            var type = (OptionReply)(uint)reply.Type;
            if (type == OptionReply.Ack) return (type, "");
            if (type.HasFlag(OptionReply.Error)) return (type, Printable(body));
            onReply?.Invoke(type, body);
        }

        throw new NbdProtocolException($"more than {NbdLimits.Options} replies to {option}");
    }

    private static string Printable(byte[] text) =>
        string.Concat(Encoding.UTF8.GetString(text).Where(letter => !char.IsControl(letter)));

    private static byte[] Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return [.. BigEndian((uint)bytes.Length), .. bytes];
    }

    private static byte[] BigEndian(uint number)
    {
        byte[] bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
        return bytes;
    }

    private void Send(ReadOnlySpan<byte> data)
    {
        if (!Transport.TrySend(data)) throw new NbdProtocolException("the server closed the connection");
    }

    private void Receive(Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = Transport.Receive(buffer);
            if (count == 0) throw new NbdProtocolException("the server closed the connection");
            buffer = buffer[count..];
        }
    }

    private static Span<byte> BytesOf<T>(ref T message)
        where T : unmanaged => MemoryMarshal.AsBytes(new Span<T>(ref message));
}
