using System.Net.Sockets;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Nbd.Client;
using DmEra.Tests.Target;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Client;

/// <summary>Servers that do not keep to the protocol: the client gets an error, never a wrong answer, and never hangs.</summary>
public sealed class RogueServerTests : IDisposable
{
    private const ulong Size = 1 << 20;
    private const ushort HasFlags = 1;
    private const uint RepError = 0x80000001;
    private const int RequestSize = 28;
    private const uint AllocationId = 5;
    private static readonly byte[] RequestMagic = U32(0x25609513);
    private static readonly byte[] Greeting = [.. "NBDMAGICIHAVEOPT"u8, 0, 3];

    private readonly TempFolder _folder = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public RogueServerTests()
    {
        _listener.Bind(new UnixDomainSocketEndPoint(_folder["nbd.sock"]));
        _listener.Listen();
    }

    public void Dispose()
    {
        _listener.Dispose();
        _folder.Dispose();
    }

    public static TheoryData<string, byte[]> Handshakes => new()
    {
        { "closes at once", [] },
        { "closes in the greeting", Greeting[..7] },
        { "something else", [.. "HTTP/1.1 400 Bad Request"u8] },
        { "old style", [.. "NBDMAGIC"u8, .. U64(0x00420281861253), .. U64(Size), .. new byte[128]] },
        { "no fixed newstyle", [.. Greeting[..16], 0, 0] },
        { "a reply to another option", [.. Greeting, .. Reply(OptGo, RepAck)] },
        { "a reply without end", [.. Greeting, .. Reply(OptStructuredReply, RepAck)[..16], .. U32(uint.MaxValue)] },
        { "replies without end", [.. Greeting, .. Enumerable.Repeat(Reply(OptStructuredReply, RepInfo), 500).SelectMany(reply => reply)] },
        { "no size", [.. Greeting, .. Reply(OptStructuredReply, RepError), .. Reply(OptGo, RepAck)] },
        { "half a size", Negotiated([.. U16(0), .. U32(1)]) },
        { "an absurd size", Negotiated([.. U16(0), .. U64(ulong.MaxValue), .. U16(HasFlags)]) },
        { "blocks of nothing", Negotiated(Export(), [.. U16(3), .. U32(0), .. U32(0), .. U32(1 << 20)]) },
        { "blocks longer than payloads", Negotiated(Export(), [.. U16(3), .. U32(4096), .. U32(4096), .. U32(512)]) },
        { "two sizes", Negotiated(Export(), [.. U16(0), .. U64(2 * Size), .. U16(HasFlags)]) },
        { "gigantic blocks", Negotiated(Export(), [.. U16(3), .. U32(1 << 30), .. U32(1 << 30), .. U32(1 << 30)]) },
    };

    [Theory, MemberData(nameof(Handshakes))]
    public void A_handshake_that_goes_wrong_is_no_connection(string what, byte[] sent)
    {
        _ = what;
        Background server = Serve(sent);

        Assert.ThrowsAny<IOException>(() => Open());

        _listener.Dispose();
        server.Join();
    }

    // Somebody on the way would like the client to go on in plain text.
    [Theory]
    [InlineData(RepErrUnsup)]
    [InlineData(RepErrPolicy)]
    [InlineData(RepAck)]
    public void A_client_that_was_told_to_use_tls_believes_nothing_that_comes_without(uint answer)
    {
        byte[] plain = [.. Greeting, .. Reply(OptStartTls, answer), .. GoodHandshake[Greeting.Length..]];
        Background server = Serve(plain);

        Assert.ThrowsAny<IOException>(() => Open("nbds+unix"));

        _listener.Dispose();
        server.Join();
    }

    public static TheoryData<string, byte[]> Replies => new()
    {
        { "a wrong magic", U64(0x1234567812345678) },
        { "a request that there is not", RawClient.SimpleReply(99) },
        { "a chunk where simple replies were agreed on", Chunk(1, 1, 1, [.. U64(0), .. new byte[512]]) },
        { "data that is broken off", RawClient.SimpleReply(1, data: new byte[511]) },
        { "half a header", RawClient.SimpleReply(1)[..9] },
    };

    [Theory, MemberData(nameof(Replies))]
    public void A_simple_reply_that_makes_no_sense_is_an_error(string what, byte[] reply)
    {
        _ = what;
        RequireError([.. Greeting, .. Reply(OptStructuredReply, RepError), .. Go()], reply);
    }

    public static TheoryData<string, byte[]> Chunks => new()
    {
        { "data before what was asked for", Chunk(1, 1, 1, [.. U64(511), .. new byte[512]]) },
        { "data behind what was asked for", Chunk(1, 1, 1, [.. U64(513), .. new byte[512]]) },
        { "too much data", Chunk(1, 1, 1, [.. U64(512), .. new byte[513]]) },
        { "data far away", Chunk(1, 1, 1, [.. U64(ulong.MaxValue - 10), .. new byte[512]]) },
        { "too little data", Chunk(1, 1, 1, [.. U64(512), .. new byte[100]]) },
        { "no data", Chunk(1, 0, 1) },
        { "data of no length", Chunk(1, 1, 1, U64(512)) },
        { "a hole that is too long", Chunk(1, 2, 1, [.. U64(512), .. U32(513)]) },
        { "a hole that is too short", Chunk(1, 2, 1, [.. U64(512), .. U32(511)]) },
        { "a hole with something in it", Chunk(1, 2, 1, [.. U64(512), .. U32(512), 0]) },
        { "nothing with something in it", Chunk(1, 0, 1, 0) },
        { "the status of a context", Chunk(1, 5, 1, [.. U32(1), .. U32(512), .. U32(0)]) },
        { "an unknown type", Chunk(1, 77, 1, U64(0)) },
        { "an error without a number", Chunk(1, 0x8001, 1, U16(5)) },
        { "an error with half its text", Chunk(1, 0x8001, 1, [.. U32(5), .. U16(100), .. "short"u8]) },
        { "an error with a novel", Chunk(1, 0x8001, 1, [.. U32(5), .. U16(60_000), .. new byte[60_000]]) },
        { "a simple reply of another request", RawClient.SimpleReply(2) },
        { "a simple reply with data", RawClient.SimpleReply(1, data: new byte[512]) },
        { "half of the data twice", [.. Data(512, 256), .. Data(512, 256), .. Chunk(1, 0, 1)] },
        { "data that overlaps", [.. Data(512, 300), .. Data(768, 256), .. Chunk(1, 0, 1)] },
        { "data that overlaps what comes behind it", [.. Data(768, 256), .. Data(512, 300), .. Chunk(1, 0, 1)] },
        { "a hole over data", [.. Data(512, 512), .. Chunk(0, 2, 1, [.. U64(600), .. U32(8)]), .. Chunk(1, 0, 1)] },
        { "data over a hole", [.. Chunk(0, 2, 1, [.. U64(512), .. U32(512)]), .. Data(600, 8), .. Chunk(1, 0, 1)] },
        { "data in a hole between data", [.. Data(512, 200), .. Data(812, 212), .. Data(700, 120), .. Chunk(1, 0, 1)] },
        { "a hole of no length", [.. Chunk(0, 2, 1, [.. U64(512), .. U32(0)]), .. Data(512, 512), .. Chunk(1, 0, 1)] },
        { "all of the data, and a gap counted twice", [.. Data(512, 100), .. Data(712, 312), .. Data(512, 100), .. Chunk(1, 0, 1)] },
        { "nothing, and not for the last time", [.. Data(512, 512), .. Chunk(0, 0, 1), .. Chunk(1, 0, 1)] },
        { "the last chunk, and one more", [.. Data(512, 256), .. Chunk(1, 0, 1), .. Data(768, 256)] },
        {
            "errors without end",
            [.. Enumerable.Repeat(Chunk(0, 0x8001, 1, [.. U32(5), .. U16(0)]), 1000).SelectMany(chunk => chunk), .. Chunk(1, 0, 1)]
        },
    };

    [Theory, MemberData(nameof(Chunks))]
    public void A_chunk_that_makes_no_sense_is_an_error(string what, byte[] chunk)
    {
        _ = what;
        RequireError(GoodHandshake, chunk);
    }

    [Fact]
    public void Data_in_too_many_pieces_is_an_error()
    {
        const int Bytes = 1 << 16;
        IEnumerable<byte> everyOther = Enumerable.Range(0, Bytes / 2).SelectMany(i => Data(2 * i, 1));
        IEnumerable<byte> rest = Enumerable.Range(0, Bytes / 2).SelectMany(i => Data((2 * i) + 1, 1));

        RequireError(GoodHandshake, [.. everyOther, .. rest, .. Chunk(1, 0, 1)], offset: 0, Bytes);
    }

    [Fact]
    public void Bytes_counted_more_often_than_a_number_can_hold_do_not_make_up_for_missing_ones()
    {
        // 2^32 bytes of one hole, and all but it.
        IEnumerable<byte> holes = Enumerable.Repeat(Chunk(0, 2, 1, [.. U64(0), .. U32(1 << 20)]), 4096).SelectMany(chunk => chunk);

        RequireError(GoodHandshake, [.. holes, .. Chunk(1, 0, 1)], offset: 0, 1 << 20);
    }

    public static TheoryData<string, byte[]> Statuses => new()
    {
        { "no status", Chunk(1, 0, 1) },
        { "a simple reply", RawClient.SimpleReply(1) },
        { "the status twice", [.. Status(0, (4096, 0)), .. Status(1, (4096, 3))] },
        { "an extent of no length", Status(1, (512, 0), (0, 3), (512, 0)) },
        { "extents behind the range", Status(1, (4096, 0), (512, 3)) },
        { "half an extent", Chunk(1, 5, 1, [.. U32(AllocationId), .. U32(512)]) },
        { "no extent", Chunk(1, 5, 1, U32(AllocationId)) },
        { "another context", Chunk(1, 5, 1, [.. U32(AllocationId + 1), .. U32(512), .. U32(0)]) },
        { "extents without end", [.. Chunk(1, 5, 1)[..16], .. U32(0xFFFF_FFFC), .. U32(AllocationId), .. new byte[64 << 10]] },
    };

    [Theory, MemberData(nameof(Statuses))]
    public void A_block_status_that_makes_no_sense_is_an_error(string what, byte[] reply)
    {
        _ = what;
        Background server = Serve(HandshakeWithAllocation, reply);
        using (NbdBlockDevice client = Open())
        {
            List<Extent> extents = [];
            IBlockStatusContext context = client.Contexts.Find("base:allocation")!;
            Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => context.Describe(0, 4096, 10, extents)).Errno);
            Assert.Empty(extents);
        }

        _listener.Dispose();
        server.Join();
    }

    [Fact]
    public void Chunks_may_come_in_any_order()
    {
        byte[] expected = [.. new byte[100], .. Enumerable.Repeat((byte)7, 412)];
        Background server = Serve(
            GoodHandshake,
            [.. Chunk(0, 1, 1, [.. U64(612), .. expected[100..]]), .. Chunk(0, 2, 1, [.. U64(512), .. U32(100)]), .. Chunk(1, 0, 1)]);
        using (NbdBlockDevice client = Open())
        {
            byte[] read = [.. Enumerable.Repeat((byte)9, 512)];
            client.Read(512, read);
            Assert.Equal(expected, read);
        }

        _listener.Dispose();
        server.Join();
    }

    [Fact]
    public void A_server_that_cannot_flush_is_told_of()
    {
        List<string> log = [];
        Background server = Serve(GoodHandshake);
        using (NbdBlockDevice client = Open(log: log.Add)) client.Flush();

        Assert.EndsWith("cannot flush; what it acknowledges is taken to be stable", Assert.Single(log), StringComparison.Ordinal);
        _listener.Dispose();
        server.Join();
    }

    [Fact]
    public void Errors_tell_what_the_server_says_without_its_control_characters()
    {
        Background server = Serve(
            GoodHandshake, Chunk(1, 0x8002, 1, [.. U32(28), .. U16(9), .. "disk\e\nful"u8, .. U64(512)]));
        using (NbdBlockDevice client = Open())
        {
            DeviceException fault = Assert.Throws<DeviceException>(() => client.Read(512, new byte[512]));
            Assert.Equal(Errno.ENOSPC, fault.Errno);
            Assert.Contains("diskful", fault.Message, StringComparison.Ordinal);
        }

        _listener.Dispose();
        server.Join();
    }

    private void RequireError(byte[] handshake, byte[] reply, int offset = 512, int length = 512)
    {
        Background server = Serve(handshake, reply);
        using (NbdBlockDevice client = Open())
        {
            byte[] buffer = new byte[length];
            Assert.Equal(Errno.EIO, Assert.Throws<DeviceException>(() => client.Read(offset, buffer)).Errno);
            Assert.Equal(new byte[length], buffer);
        }

        _listener.Dispose();
        server.Join();
    }

    private NbdBlockDevice Open(string scheme = "nbd+unix", Action<string>? log = null) => NbdBlockDevice.Open(
        NbdUri.Parse($"{scheme}:///?socket={_folder["nbd.sock"]}"),
        new NbdClientOptions { RetryTime = TimeSpan.FromMilliseconds(100), Log = log ?? (static _ => { }) });

    // Does the same with whoever comes: sends its part of the handshake whatever is asked, and a reply to the first request.
    private Background Serve(byte[] handshake, byte[]? reply = null) => Background.Run(() =>
    {
        try
        {
            while (true)
            {
                using Socket client = _listener.Accept();
                Converse(client, handshake, reply);
            }
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    });

    private static void Converse(Socket client, byte[] handshake, byte[]? reply)
    {
        try
        {
            client.Send(handshake);
            if (reply is not null)
            {
                AwaitRequest(client);
                client.Send(reply);
            }

            client.Shutdown(SocketShutdown.Send);
            while (client.Receive(new byte[4096]) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // It has had enough.
        }
    }

    private static void AwaitRequest(Socket client)
    {
        List<byte> received = [];
        byte[] next = new byte[1];
        while (received.Count < RequestSize || !CollectionsMarshal.AsSpan(received)[^RequestSize..].StartsWith(RequestMagic))
        {
            if (client.Receive(next) == 0) return;
            received.AddRange(next);
        }
    }

    private static byte[] Negotiated(params byte[][] information) =>
        [.. Greeting, .. Reply(OptStructuredReply, RepError), .. information.SelectMany(info => Reply(OptGo, RepInfo, info)), .. Reply(OptGo, RepAck)];

    private static byte[] GoodHandshake =>
        [.. Greeting, .. Reply(OptStructuredReply, RepAck), .. Reply(OptSetMetaContext, RepAck), .. Go()];

    private static byte[] HandshakeWithAllocation =>
    [
        .. Greeting, .. Reply(OptStructuredReply, RepAck),
        .. Reply(OptSetMetaContext, RepMetaContext, [.. U32(AllocationId), .. "base:allocation"u8]), .. Reply(OptSetMetaContext, RepAck), .. Go(),
    ];

    private static byte[] Data(int offset, int length) => Chunk(0, 1, 1, [.. U64((ulong)offset), .. Enumerable.Repeat((byte)7, length)]);

    private static byte[] Status(ushort flags, params (uint Length, uint Flags)[] extents) =>
        Chunk(flags, 5, 1, [.. U32(AllocationId), .. extents.SelectMany(extent => U32(extent.Length).Concat(U32(extent.Flags)))]);

    private static byte[] Export() => [.. U16(0), .. U64(Size), .. U16(HasFlags)];

    private static byte[] Go() => [.. Reply(OptGo, RepInfo, Export()), .. Reply(OptGo, RepAck)];

    private static byte[] Reply(uint option, uint type, params byte[] data) =>
        [.. U64(0x3e889045565a9), .. U32(option), .. U32(type), .. U32((uint)data.Length), .. data];
}
