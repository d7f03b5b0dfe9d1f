using System.Buffers.Binary;
using System.Collections.Concurrent;
using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Transmission;

/// <summary>Long requests on a server that has no memory for any.</summary>
public sealed class PieceExecutorTests
{
    private const int Size = 4 << 20;
    private const int Piece = 256 << 10;

    [Theory]
    [InlineData(0)]
    [InlineData(FlagFua)]
    public void A_long_write_is_written_as_it_comes(int flags)
    {
        ConcurrentQueue<DeviceCall> calls = new();
        using HookedDevice device = new(Size) { Before = calls.Enqueue };
        using TestServer server = Serve(device);
        using RawClient client = Connected(server.EndPoint);
        byte[] payload = new byte[Size - 77];
        new Random(1).NextBytes(payload);

        client.Send(Request(CmdWrite, 1, 77, (uint)payload.Length, (ushort)flags, payload));
        client.Expect(SimpleReply(1));

        Assert.Equal(payload, device.Content.ToArray()[77..]);
        Assert.Equal(flags == 0 ? 16 : 17, calls.Count);
        Assert.Equal(flags == 0 ? "write" : "flush", calls.Last().Operation);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(1, FlagDf)]
    [InlineData(2, 0)]
    [InlineData(2, FlagDf)]
    public void A_long_read_tells_what_a_read_in_one_go_tells(int style, int flags)
    {
        using HookedDevice device = new(Size);
        Random random = new(2);
        byte[] content = new byte[Size];
        for (int at = 0; at < Size - 100_000; at += 300_000) random.NextBytes(content.AsSpan(at, 100_000));
        device.Content.Write(0, content);
        using TestServer server = Serve(device);
        using RawClient client = Client(server, style);

        byte[] whole = Read(client, style, 1, 5, Size - 5, (ushort)flags, out int chunks);
        byte[] part = Read(client, style, 2, 1000, Size / 2, (ushort)flags, out _);

        Assert.True(whole.AsSpan().SequenceEqual(content.AsSpan(5)));
        Assert.True(part.AsSpan().SequenceEqual(content.AsSpan(1000, Size / 2)));
        Assert.Equal(style == 0 || flags != 0, chunks == 1);
    }

    [Fact]
    public void A_fault_in_a_long_write_is_told_when_all_of_it_has_arrived()
    {
        using HookedDevice device = new(Size);
        device.Before = call =>
        {
            if (call.Operation == "write" && call.Offset == 3 * Piece) throw new DeviceException("full", Errno.ENOSPC);
        };
        using TestServer server = Serve(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send(Request(CmdWrite, 1, 0, Size, 0, new byte[Size]));

        client.Expect(SimpleReply(1, ENoSpc));
        client.ExpectAlive();
    }

    [Fact]
    public void A_flush_that_fails_after_a_long_write_fails_it()
    {
        using HookedDevice device = new(Size);
        device.Before = call =>
        {
            if (call.Operation == "flush") throw new DeviceException("broken", Errno.EIO);
        };
        using TestServer server = Serve(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send(Request(CmdWrite, 1, 0, Size, FlagFua, new byte[Size]));

        client.Expect(SimpleReply(1, EIo));
        client.ExpectAlive();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(Piece)]
    public void A_fault_in_a_long_read_is_told_as_long_as_it_can_be(int at)
    {
        using HookedDevice device = new(Size);
        device.Before = call =>
        {
            if (call.Operation == "read" && call.Offset == at) throw new DeviceException("broken", Errno.EIO);
        };
        using TestServer server = Serve(device);
        using RawClient simple = Connected(server.EndPoint);
        using RawClient structured = Structured(server.EndPoint);

        structured.Send(Request(CmdRead, 1, 0, Size));
        if (at > 0) structured.Expect(Chunk(0, 2, 1, [.. U64(0), .. U32(Piece)]));
        structured.ExpectErrorChunk(1, EIo);
        structured.Send(Request(CmdCache, 2, 0, 1));
        structured.Expect(SimpleReply(2));

        simple.Send(Request(CmdRead, 1, 0, Size));
        if (at == 0)
        {
            simple.Expect(SimpleReply(1, EIo));
            simple.ExpectAlive();
        }
        else
        {
            simple.Expect(SimpleReply(1, 0, new byte[Piece]));
            simple.ExpectClosed();
        }
    }

    [Fact]
    public void Many_extents_of_many_contexts_are_told_chunk_by_chunk()
    {
        using MemoryBlockDevice device = new(16 << 20);
        PatternContext[] contexts =
            [.. Enumerable.Range(0, 16).Select(i => new PatternContext($"x-test:{i}", 512, (uint)i, 100))];
        using TestServer server = new(
            new NbdServerOptions { SharedBytes = 0 }, new NbdExport("", device, new BlockStatusCatalog(contexts)));
        using RawClient client = Extended(server.EndPoint, [.. contexts.Select(context => context.Name)]);

        client.Send(ExtendedRequest(CmdBlockStatus, 1, 0, 16 << 20));

        for (uint i = 0; i < 16; i++)
        {
            client.Expect([.. U32(0x6e8a278c), .. U16((ushort)(i == 15 ? 1 : 0)), .. U16(6), .. U64(1), .. U64(0)]);
            byte[] payload = client.Receive((int)client.ReceiveU64());
            Assert.Equal(i + 1, BinaryPrimitives.ReadUInt32BigEndian(payload));
            Assert.Equal(16384u, BinaryPrimitives.ReadUInt32BigEndian(payload.AsSpan(4)));
            Assert.Equal(8 + (16384 * 16), payload.Length);
            Assert.Equal([.. U64(512), .. U64(i)], payload[8..24]);
        }

        client.Send(ExtendedRequest(CmdFlush, 2, 0, 0));
        client.Expect(ExtendedChunk(1, 0, 2, 0));
    }

    private static TestServer Serve(IBlockDevice device) =>
        new(new NbdServerOptions { SharedBytes = 0 }, new NbdExport("", device, new BlockStatusCatalog()));

    private static RawClient Client(TestServer server, int style) => style switch
    {
        0 => Connected(server.EndPoint),
        1 => Structured(server.EndPoint),
        _ => Extended(server.EndPoint),
    };

    private static byte[] Read(
        RawClient client, int style, ulong cookie, ulong offset, int length, ushort flags, out int chunks)
    {
        chunks = 1;
        if (style == 0)
        {
            client.Send(Request(CmdRead, cookie, offset, (uint)length, flags));
            client.Expect(SimpleReply(cookie));
            return client.Receive(length);
        }

        client.Send(style == 1
            ? Request(CmdRead, cookie, offset, (uint)length, flags)
            : ExtendedRequest(CmdRead, cookie, offset, (ulong)length, flags));
        byte[] data = new byte[length];
        int told = 0;
        for (chunks = 0; ; chunks++)
        {
            client.Expect(U32(style == 1 ? 0x668e33efu : 0x6e8a278cu));
            uint flagsAndType = client.ReceiveU32();
            Assert.Equal(cookie, client.ReceiveU64());
            if (style == 2) Assert.Equal(offset, client.ReceiveU64());
            byte[] payload = client.Receive(style == 1 ? (int)client.ReceiveU32() : (int)client.ReceiveU64());
            int at = (int)(BinaryPrimitives.ReadUInt64BigEndian(payload) - offset);
            bool isHole = (flagsAndType & 0xffff) == 2;
            Assert.True(isHole || (flagsAndType & 0xffff) == 1);
            if (!isHole) payload[8..].CopyTo(data, at);
            told += isHole ? (int)BinaryPrimitives.ReadUInt32BigEndian(payload.AsSpan(8)) : payload.Length - 8;
            if (flagsAndType >> 16 == 1) break;
        }

        chunks++;
        Assert.Equal(length, told);
        return data;
    }
}
