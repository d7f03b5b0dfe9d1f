using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Transmission;

/// <summary>Replies in chunks: with structured replies, and the same with extended headers.</summary>
public sealed class StructuredReplyTests : IDisposable
{
    private const ushort Done = 1;
    private const ushort Data = 1;
    private const ushort Hole = 2;
    private const ushort BlockStatus = 5;
    private const ushort BlockStatusExt = 6;
    private const int Size = 1 << 20;

    private readonly HookedDevice _device = new(Size);
    private readonly TestServer _server;

    public StructuredReplyTests() => _server = new TestServer(new NbdExport("", _device, new BlockStatusCatalog(
        new PatternContext("x-test:blocks", 4096, 0, 3),
        new PatternContext("x-test:big", 1 << 19, 7, uint.MaxValue))));

    public void Dispose()
    {
        _server.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_read_is_one_chunk_of_data(bool ready)
    {
        _device.IsReady = ready;
        _device.Content.Write(100, [1, 2, 3]);
        using RawClient client = Structured(_server.EndPoint);

        client.Send(Request(CmdRead, 9, 99, 5));

        client.Expect(Chunk(Done, Data, 9, [.. U64(99), 0, 1, 2, 3, 0]));
    }

    [Fact]
    public void Success_without_data_is_a_simple_reply()
    {
        using RawClient client = Structured(_server.EndPoint);

        client.Send(Request(CmdFlush, 9, 0, 0));

        client.Expect(SimpleReply(9));
    }

    [Fact]
    public void A_read_of_nothing_is_a_chunk_of_nothing()
    {
        using RawClient client = Structured(_server.EndPoint);

        client.Send(Request(CmdRead, 9, 512, 0));

        client.Expect(Chunk(Done, 0, 9));
    }

    [Fact]
    public void A_failed_read_is_an_error_chunk()
    {
        _device.Before = _ => throw new DeviceException("broken", Errno.EIO);
        using RawClient client = Structured(_server.EndPoint);

        client.Send(Request(CmdRead, 9, 512, 512));

        client.ExpectErrorChunk(9, EIo);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(FlagDf)]
    public void Nothing_but_zeroes_is_a_hole(int flags)
    {
        using RawClient client = Structured(_server.EndPoint);

        client.Send(Request(CmdRead, 9, 777, 100_000, (ushort)flags));

        client.Expect(Chunk(Done, Hole, 9, [.. U64(777), .. U32(100_000)]));
    }

    [Fact]
    public void A_few_zeroes_are_data()
    {
        using RawClient client = Structured(_server.EndPoint);

        client.Send(Request(CmdRead, 9, 0, 1));

        client.Expect(Chunk(Done, Data, 9, [.. U64(0), 0]));
    }

    [Fact]
    public void Blocks_of_zeroes_among_data_are_holes()
    {
        byte[] block = Pattern(4096);
        _device.Content.Write(4096, block);
        _device.Content.Write(5 * 4096, block);
        using RawClient client = Structured(_server.EndPoint);

        client.Send(Request(CmdRead, 9, 0, 8 * 4096));

        client.Expect(Chunk(0, Hole, 9, [.. U64(0), .. U32(4096)]));
        client.Expect(Chunk(0, Data, 9, [.. U64(4096), .. block]));
        client.Expect(Chunk(0, Hole, 9, [.. U64(2 * 4096), .. U32(3 * 4096)]));
        client.Expect(Chunk(0, Data, 9, [.. U64(5 * 4096), .. block]));
        client.Expect(Chunk(Done, Hole, 9, [.. U64(6 * 4096), .. U32(2 * 4096)]));
    }

    [Fact]
    public void A_read_that_must_not_be_fragmented_is_one_chunk_zeroes_and_all()
    {
        byte[] block = Pattern(4096);
        _device.Content.Write(4096, block);
        using RawClient client = Structured(_server.EndPoint);

        client.Send(Request(CmdRead, 9, 0, 4 * 4096, FlagDf));

        client.Expect(Chunk(Done, Data, 9, [.. U64(0), .. new byte[4096], .. block, .. new byte[2 * 4096]]));
    }

    [Theory]
    [MemberData(nameof(Seeds.For), 20, MemberType = typeof(Seeds))]
    public void Chunks_put_together_are_what_was_read(int seed)
    {
        Random random = new(seed);
        byte[] content = new byte[Size];
        for (int block = 0; block < Size / 4096; block++)
        {
            if (random.Next(2) == 0) content[(block * 4096) + random.Next(4096)] = 1;
        }

        _device.Content.Write(0, content);
        _device.IsReady = random.Next(2) == 0;
        using RawClient client = Structured(_server.EndPoint);
        for (int i = 0; i < 30; i++)
        {
            int offset = random.Next(Size);
            int length = random.Next(1, Size - offset + 1);
            client.Send(Request(CmdRead, 9, (ulong)offset, (uint)length));
            Assert.True(
                content.AsSpan(offset, length).SequenceEqual(ReceiveRead(client, offset, length)),
                $"seed {seed}: {length} bytes at {offset}");
        }
    }

    [Fact]
    public void Block_status_is_a_chunk_for_each_context()
    {
        using RawClient client = Structured(_server.EndPoint, "x-test:blocks", "x-test:big");

        client.Send(Request(CmdBlockStatus, 9, 4000, 8192));

        client.Expect(Chunk(
            0, BlockStatus, 9,
            [.. U32(1), .. U32(96), .. U32(0), .. U32(4096), .. U32(3), .. U32(4000), .. U32(0)]));
        client.Expect(Chunk(Done, BlockStatus, 9, [.. U32(2), .. U32(8192), .. U32(7)]));
    }

    [Fact]
    public void Block_status_can_be_asked_of_one_extent()
    {
        using RawClient client = Structured(_server.EndPoint, "x-test:blocks", "x-test:big");

        client.Send(Request(CmdBlockStatus, 9, 4000, 8192, FlagReqOne));

        client.Expect(Chunk(0, BlockStatus, 9, [.. U32(1), .. U32(96), .. U32(0)]));
        client.Expect(Chunk(Done, BlockStatus, 9, [.. U32(2), .. U32(8192), .. U32(7)]));
    }

    [Theory]
    [InlineData(0u, 0u)]
    [InlineData(0u, (uint)Size + 1)]
    [InlineData((uint)Size, 1u)]
    public void Block_status_outside_of_the_export_is_an_error(uint offset, uint length)
    {
        using RawClient client = Structured(_server.EndPoint, "x-test:blocks");

        client.Send(Request(CmdBlockStatus, 9, offset, length));

        client.ExpectErrorChunk(9, EInval);
    }

    [Fact]
    public void No_chunk_has_more_extents_than_it_may()
    {
        using HookedDevice device = new(1 << 20);
        using TestServer server = new(new NbdExport(
            "", device, new BlockStatusCatalog(new PatternContext("x-test:bytes", 1, 0, 1))));
        using RawClient client = Structured(server.EndPoint, "x-test:bytes");

        client.Send(Request(CmdBlockStatus, 9, 0, 1 << 20));

        client.Expect([.. U32(0x668e33ef), .. U16(Done), .. U16(BlockStatus), .. U64(9), .. U32(4 + (8 << 14))]);
        client.Receive(4 + (8 << 14));
    }

    [Fact]
    public void Extended_headers_carry_every_reply()
    {
        _device.Content.Write(100, [1, 2, 3]);
        using RawClient client = Extended(_server.EndPoint);

        client.Send(ExtendedRequest(CmdRead, 9, 99, 5));
        client.Expect(ExtendedChunk(Done, Data, 9, 99, [.. U64(99), 0, 1, 2, 3, 0]));
        client.Send(ExtendedRequest(CmdRead, 10, 4096, 4096));
        client.Expect(ExtendedChunk(Done, Hole, 10, 4096, [.. U64(4096), .. U32(4096)]));
        client.Send(ExtendedRequest(CmdFlush, 11, 0, 0));
        client.Expect(ExtendedChunk(Done, 0, 11, 0));
        client.Send(ExtendedRequest(CmdRead, 12, Size, 1));
        client.ExpectExtendedErrorChunk(12, Size, EInval);
    }

    [Fact]
    public void Extended_requests_can_be_about_more_than_32_bits_tell()
    {
        using TempFolder folder = new();
        using FileBlockDevice huge = FileBlockDevice.Open(folder.Sparse("huge", 1L << 40));
        using TestServer server = new(
            new NbdExport("", huge, new BlockStatusCatalog(new AllocationContext(huge))));
        using RawClient client = Extended(server.EndPoint, "base:allocation");

        client.Send(ExtendedRequest(CmdWriteZeroes, 1, 0, 1L << 40));
        client.Expect(ExtendedChunk(Done, 0, 1, 0));
        client.Send(ExtendedRequest(CmdTrim, 2, 1, (1L << 40) - 1));
        client.Expect(ExtendedChunk(Done, 0, 2, 1));
        client.Send(ExtendedRequest(CmdBlockStatus, 3, 0, 1L << 40));
        client.Expect(ExtendedChunk(
            Done, BlockStatusExt, 3, 0, [.. U32(1), .. U32(1), .. U64(1L << 40), .. U64(3)]));
        client.Send(ExtendedRequest(CmdRead, 4, 0, 1L << 40));
        client.ExpectExtendedErrorChunk(4, 0, EOverflow);
    }

    [Fact]
    public void An_extended_write_announces_its_payload()
    {
        using RawClient client = Extended(_server.EndPoint);

        client.Send(ExtendedRequest(CmdWrite, 1, 512, 3, FlagPayloadLen, [1, 2, 3]));
        client.Expect(ExtendedChunk(Done, 0, 1, 512));
        client.Send(ExtendedRequest(CmdWrite, 2, 512, 3));
        client.ExpectExtendedErrorChunk(2, 512, EInval);

        Assert.Equal([1, 2, 3], _device.Content.ToArray()[512..515]);
    }

    [Theory]
    [InlineData(CmdRead)]
    [InlineData(CmdTrim)]
    [InlineData(CmdFlush)]
    [InlineData(99)]
    public void A_payload_that_a_command_does_not_take_is_dropped(ushort command)
    {
        using RawClient client = Extended(_server.EndPoint);

        client.Send(ExtendedRequest(command, 1, 0, 5000, FlagPayloadLen, new byte[5000]));
        client.ExpectExtendedErrorChunk(1, 0, EInval);
        client.Send(ExtendedRequest(CmdFlush, 2, 0, 0));
        client.Expect(ExtendedChunk(Done, 0, 2, 0));
    }

    [Fact]
    public void A_payload_beyond_64_bits_of_reason_ends_the_connection()
    {
        using RawClient client = Extended(_server.EndPoint);

        client.Send(ExtendedRequest(CmdWrite, 1, 0, ulong.MaxValue, FlagPayloadLen));

        client.ExpectClosed();
    }

    [Fact]
    public void Extended_block_status_counts_its_extents()
    {
        using RawClient client = Extended(_server.EndPoint, "x-test:blocks", "x-test:big");

        client.Send(ExtendedRequest(CmdBlockStatus, 9, (1 << 19) - 4096, 8192));

        client.Expect(ExtendedChunk(
            0, BlockStatusExt, 9, (1 << 19) - 4096,
            [.. U32(1), .. U32(2), .. U64(4096), .. U64(3), .. U64(4096), .. U64(0)]));
        client.Expect(ExtendedChunk(
            Done, BlockStatusExt, 9, (1 << 19) - 4096,
            [.. U32(2), .. U32(2), .. U64(4096), .. U64(7), .. U64(4096), .. U64(uint.MaxValue)]));
    }

    [Fact]
    public void Block_status_can_be_asked_of_some_contexts()
    {
        using RawClient client = Extended(_server.EndPoint, "x-test:blocks", "x-test:big");

        client.Send(ExtendedRequest(CmdBlockStatus, 9, 0, 12, FlagPayloadLen, [.. U64(4096), .. U32(2)]));

        client.Expect(ExtendedChunk(
            Done, BlockStatusExt, 9, 0, [.. U32(2), .. U32(1), .. U64(4096), .. U64(7)]));
    }

    public static TheoryData<string, byte[]> MalformedSelections => new()
    {
        { "no context", U64(4096) },
        { "half a length", U32(4096) },
        { "half a context", [.. U64(4096), .. U32(1), 0, 0] },
        { "an unknown context", [.. U64(4096), .. U32(3)] },
        { "a context twice", [.. U64(4096), .. U32(1), .. U32(2), .. U32(1)] },
        { "a length past the end", [.. U64(Size + 1), .. U32(1)] },
        { "a length of nothing", [.. U64(0), .. U32(1)] },
        { "more contexts than there can be", [.. U64(4096), .. new byte[4 * 17]] },
        { "far too much", new byte[1 << 20] },
    };

    [Theory, MemberData(nameof(MalformedSelections))]
    public void Malformed_selections_of_contexts_are_refused(string what, byte[] payload)
    {
        using RawClient client = Extended(_server.EndPoint, "x-test:blocks", "x-test:big");

        client.Send(ExtendedRequest(CmdBlockStatus, 9, 0, (ulong)payload.Length, FlagPayloadLen, payload));

        _ = what;
        client.ExpectExtendedErrorChunk(9, 0, EInval);
        client.Send(ExtendedRequest(CmdFlush, 10, 0, 0));
        client.Expect(ExtendedChunk(Done, 0, 10, 0));
    }

    [Fact]
    public void Selecting_contexts_by_payload_is_offered_where_it_is_of_use()
    {
        const int BlockStatusPayload = 1 << 12;
        using RawClient with = Greeted(_server.EndPoint);
        with.Negotiate(OptExtendedHeaders);
        with.Negotiate(OptSetMetaContext, Queries("", "x-test:big"));
        using RawClient without = Greeted(_server.EndPoint);
        without.Negotiate(OptExtendedHeaders);

        Assert.NotEqual(0, with.Go() & BlockStatusPayload);
        Assert.Equal(0, without.Go() & BlockStatusPayload);
    }

    private static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(i | 1))];

    private static byte[] ReceiveRead(RawClient client, int offset, int length)
    {
        byte[] result = new byte[length];
        for (int covered = 0; ;)
        {
            client.Expect(U32(0x668e33ef));
            byte[] rest = client.Receive(16);
            int payload = (int)BitConverter.ToUInt32([.. rest[12..].Reverse()]);
            int at = (int)client.ReceiveU64() - offset;
            Assert.Equal(covered, at);
            if (rest[3] == Hole)
            {
                covered += (int)client.ReceiveU32();
            }
            else
            {
                client.Receive(payload - 8).CopyTo(result, at);
                covered += payload - 8;
            }

            if (rest[1] != Done) continue;
            Assert.Equal(length, covered);
            return result;
        }
    }
}
