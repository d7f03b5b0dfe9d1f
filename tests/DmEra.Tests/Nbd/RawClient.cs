using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DmEra.Tests.Nbd;

/// <summary>
/// A client that sends exactly what a test tells it to. It is written from the protocol's document with numbers of its
/// own, and shares nothing with the server.
/// </summary>
internal sealed class RawClient : IDisposable
{
    public const uint OptExportName = 1;
    public const uint OptAbort = 2;
    public const uint OptList = 3;
    public const uint OptStartTls = 5;
    public const uint OptInfo = 6;
    public const uint OptGo = 7;
    public const uint OptStructuredReply = 8;
    public const uint OptListMetaContext = 9;
    public const uint OptSetMetaContext = 10;
    public const uint OptExtendedHeaders = 11;

    public const uint RepAck = 1;
    public const uint RepServer = 2;
    public const uint RepInfo = 3;
    public const uint RepMetaContext = 4;
    public const uint RepErrUnsup = 0x80000001;
    public const uint RepErrPolicy = 0x80000002;
    public const uint RepErrInvalid = 0x80000003;
    public const uint RepErrTlsReqd = 0x80000005;
    public const uint RepErrUnknown = 0x80000006;
    public const uint RepErrTooBig = 0x80000009;
    public const uint RepErrExtHeaderReqd = 0x8000000a;

    public const ushort CmdRead = 0;
    public const ushort CmdWrite = 1;
    public const ushort CmdDisc = 2;
    public const ushort CmdFlush = 3;
    public const ushort CmdTrim = 4;
    public const ushort CmdCache = 5;
    public const ushort CmdWriteZeroes = 6;
    public const ushort CmdBlockStatus = 7;

    public const ushort FlagFua = 1;
    public const ushort FlagNoHole = 2;
    public const ushort FlagDf = 4;
    public const ushort FlagReqOne = 8;
    public const ushort FlagFastZero = 16;
    public const ushort FlagPayloadLen = 32;

    public const uint EPerm = 1;
    public const uint EIo = 5;
    public const uint EInval = 22;
    public const uint ENoSpc = 28;
    public const uint EOverflow = 75;
    public const uint ENotSup = 95;

    private const ulong OptionMagic = 0x49484156454F5054;
    private const ulong OptionReplyMagic = 0x3e889045565a9;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Socket _socket;

    public RawClient(EndPoint server)
    {
        _socket = new Socket(
            server.AddressFamily,
            SocketType.Stream,
            server is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        _socket.ReceiveTimeout = _socket.SendTimeout = (int)Patience.TotalMilliseconds;
        _socket.Connect(server);
        Stream = new NetworkStream(_socket);
    }

    /// <summary>What bytes go through: the socket, or a TLS stream put around it.</summary>
    public Stream Stream { get; set; }

    /// <summary>Connects and exchanges flags.</summary>
    public static RawClient Greeted(EndPoint server, uint clientFlags = 3)
    {
        RawClient client = new(server);
        client.Receive(18);
        client.Send(U32(clientFlags));
        return client;
    }

    /// <summary>Connects and enters transmission with simple replies.</summary>
    public static RawClient Connected(EndPoint server, string name = "")
    {
        RawClient client = Greeted(server);
        client.Go(name);
        return client;
    }

    /// <summary>Connects and enters transmission with structured replies and these metadata contexts.</summary>
    public static RawClient Structured(EndPoint server, params string[] contexts) =>
        WithStyle(OptStructuredReply, server, contexts);

    /// <summary>Connects and enters transmission with extended headers and these metadata contexts.</summary>
    public static RawClient Extended(EndPoint server, params string[] contexts) =>
        WithStyle(OptExtendedHeaders, server, contexts);

    public static byte[] U16(ushort value) => [(byte)(value >> 8), (byte)value];

    public static byte[] U32(uint value) => [.. U16((ushort)(value >> 16)), .. U16((ushort)value)];

    public static byte[] U64(ulong value) => [.. U32((uint)(value >> 32)), .. U32((uint)value)];

    /// <summary>A string with its 32-bit length in front.</summary>
    public static byte[] Text(string text) =>
        [.. U32((uint)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    /// <summary>The data of LIST_META_CONTEXT and SET_META_CONTEXT.</summary>
    public static byte[] Queries(string export, params string[] queries) =>
        [.. Text(export), .. U32((uint)queries.Length), .. queries.SelectMany(Text)];

    /// <summary>The data of INFO and GO.</summary>
    public static byte[] ExportAndRequests(string export, params ushort[] requests) =>
        [.. Text(export), .. U16((ushort)requests.Length), .. requests.SelectMany(U16)];

    public static byte[] Option(uint option, params byte[] data) =>
        [.. U64(OptionMagic), .. U32(option), .. U32((uint)data.Length), .. data];

    /// <summary>A compact request with its payload.</summary>
    public static byte[] Request(
        ushort command, ulong cookie, ulong offset, uint length, ushort flags = 0, byte[]? payload = null) =>
    [
        .. U32(0x25609513), .. U16(flags), .. U16(command), .. U64(cookie), .. U64(offset), .. U32(length),
        .. payload ?? [],
    ];

    /// <summary>An extended request with its payload.</summary>
    public static byte[] ExtendedRequest(
        ushort command, ulong cookie, ulong offset, ulong length, ushort flags = 0, byte[]? payload = null) =>
    [
        .. U32(0x21e41c71), .. U16(flags), .. U16(command), .. U64(cookie), .. U64(offset), .. U64(length),
        .. payload ?? [],
    ];

    public static byte[] SimpleReply(ulong cookie, uint error = 0, byte[]? data = null) =>
        [.. U32(0x67446698), .. U32(error), .. U64(cookie), .. data ?? []];

    public static byte[] Chunk(ushort flags, ushort type, ulong cookie, params byte[] payload) =>
        [.. U32(0x668e33ef), .. U16(flags), .. U16(type), .. U64(cookie), .. U32((uint)payload.Length), .. payload];

    public static byte[] ExtendedChunk(
        ushort flags, ushort type, ulong cookie, ulong offset, params byte[] payload) =>
    [
        .. U32(0x6e8a278c), .. U16(flags), .. U16(type), .. U64(cookie), .. U64(offset),
        .. U64((ulong)payload.Length), .. payload,
    ];

    public void Send(params byte[] bytes) => Stream.Write(bytes);

    public byte[] Receive(int count)
    {
        byte[] bytes = new byte[count];
        Stream.ReadExactly(bytes);
        return bytes;
    }

    public uint ReceiveU32() => BinaryPrimitives.ReadUInt32BigEndian(Receive(4));

    public ulong ReceiveU64() => BinaryPrimitives.ReadUInt64BigEndian(Receive(8));

    /// <summary>Sends an option and returns all replies to it; the last one ends it.</summary>
    public IReadOnlyList<OptionReply> Negotiate(uint option, params byte[] data)
    {
        Send(Option(option, data));
        return ReceiveOptionReplies(option);
    }

    public IReadOnlyList<OptionReply> ReceiveOptionReplies(uint option)
    {
        List<OptionReply> replies = [];
        do
        {
            Assert.Equal(OptionReplyMagic, ReceiveU64());
            Assert.Equal(option, ReceiveU32());
            uint type = ReceiveU32();
            replies.Add(new OptionReply(type, Receive((int)ReceiveU32())));
        }
        while (replies[^1].Type is RepServer or RepInfo or RepMetaContext);

        return replies;
    }

    /// <summary>Chooses the export; returns its transmission flags.</summary>
    public ushort Go(string name = "")
    {
        IReadOnlyList<OptionReply> replies = Negotiate(OptGo, ExportAndRequests(name));
        Assert.Equal([RepInfo, RepAck], replies.Select(reply => reply.Type));
        return BinaryPrimitives.ReadUInt16BigEndian(replies[0].Data.AsSpan(10));
    }

    /// <summary>Fails unless the server sends exactly these bytes next.</summary>
    public void Expect(params byte[] bytes) =>
        Assert.Equal(Convert.ToHexString(bytes), Convert.ToHexString(Receive(bytes.Length)));

    /// <summary>Receives an error chunk, whatever its text.</summary>
    public void ExpectErrorChunk(ulong cookie, uint error)
    {
        Expect([.. U32(0x668e33ef), .. U16(1), .. U16(0x8001), .. U64(cookie)]);
        byte[] payload = Receive((int)ReceiveU32());
        Assert.Equal(error, BinaryPrimitives.ReadUInt32BigEndian(payload));
        Assert.Equal(payload.Length - 6, BinaryPrimitives.ReadUInt16BigEndian(payload.AsSpan(4)));
    }

    /// <summary>Receives an error chunk with an extended header, whatever its text.</summary>
    public void ExpectExtendedErrorChunk(ulong cookie, ulong offset, uint error)
    {
        Expect([.. U32(0x6e8a278c), .. U16(1), .. U16(0x8001), .. U64(cookie), .. U64(offset)]);
        byte[] payload = Receive((int)ReceiveU64());
        Assert.Equal(error, BinaryPrimitives.ReadUInt32BigEndian(payload));
    }

    /// <summary>Fails unless the server closes without sending anything more.</summary>
    public void ExpectClosed()
    {
        try { Assert.Equal(0, Stream.Read(new byte[1])); }
        catch (IOException reset) when (reset.InnerException is SocketException
        {
            SocketErrorCode: SocketError.ConnectionReset,
        })
        {
            // As good as closed: what we sent last was not read any more.
        }
    }

    /// <summary>Sends no more, but can receive.</summary>
    public void FinishSending() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Fails unless a read is answered: the connection has survived what went before.</summary>
    public void ExpectAlive(ulong cookie = 0xA11CE)
    {
        Send(Request(CmdCache, cookie, 0, 1));
        Expect(SimpleReply(cookie));
    }

    public void Dispose()
    {
        Stream.Dispose();
        _socket.Dispose();
    }

    private static RawClient WithStyle(uint option, EndPoint server, string[] contexts)
    {
        RawClient client = Greeted(server);
        Assert.Equal(RepAck, Assert.Single(client.Negotiate(option)).Type);
        if (contexts.Length > 0)
            Assert.Equal(contexts.Length + 1, client.Negotiate(OptSetMetaContext, Queries("", contexts)).Count);
        client.Go();
        return client;
    }
}

/// <summary>One reply to an option.</summary>
internal sealed record OptionReply(uint Type, byte[] Data)
{
    public string Text => Encoding.UTF8.GetString(Data);
}
