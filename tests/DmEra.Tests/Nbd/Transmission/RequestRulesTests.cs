using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Transmission;

/// <summary>Requests that are refused, as a client sees them.</summary>
public sealed class RequestRulesTests : IDisposable
{
    private const uint Size = 1 << 20;

    private readonly TestServer _server = new(
        new NbdExport("disk", new MemoryBlockDevice((int)Size), new BlockStatusCatalog()),
        new NbdExport("fixed", new MemoryBlockDevice((int)Size), new BlockStatusCatalog()) { IsReadOnly = true });

    public void Dispose() => _server.Dispose();

    public static TheoryData<string, ushort, ushort, ulong, uint, uint> Refused => new()
    {
        { "an unknown command", 8, 0, 0, 0, EInval },
        { "a resize", 9, 0, 0, 0, EInval },
        { "the highest command", ushort.MaxValue, 0, 0, 0, EInval },
        { "a read across the end", CmdRead, 0, Size - 1, 2, EInval },
        { "a read past the end", CmdRead, 0, Size + 1, 1, EInval },
        { "a read at the highest offset", CmdRead, 0, ulong.MaxValue, 1, EInval },
        { "a read whose end overflows", CmdRead, 0, ulong.MaxValue - 3, 8, EInval },
        { "a read of negative offset", CmdRead, 0, 1UL << 63, 8, EInval },
        { "a read that is too long", CmdRead, 0, 0, (32 << 20) + 1, EOverflow },
        { "the longest read", CmdRead, 0, 0, uint.MaxValue, EOverflow },
        { "a read in one piece, without structured replies", CmdRead, FlagDf, 0, 1, EInval },
        { "a read with no hole", CmdRead, FlagNoHole, 0, 1, EInval },
        { "a read with an unknown flag", CmdRead, 1 << 15, 0, 1, EInval },
        { "a flush of a range", CmdFlush, 0, 512, 512, EInval },
        { "a flush of an offset", CmdFlush, 0, 512, 0, EInval },
        { "a trim across the end", CmdTrim, 0, Size - 1, 2, EInval },
        { "a trim with fast zero", CmdTrim, FlagFastZero, 0, 1, EInval },
        { "a cache past the end", CmdCache, 0, Size, 1, EInval },
        { "zeroes across the end", CmdWriteZeroes, 0, Size - 1, 2, ENoSpc },
        { "zeroes of everything there could be", CmdWriteZeroes, 0, 1, uint.MaxValue, ENoSpc },
        { "zeroes with one extent", CmdWriteZeroes, FlagReqOne, 0, 1, EInval },
        { "zeroes with a payload length", CmdWriteZeroes, FlagPayloadLen, 0, 1, EInval },
        { "block status without a context", CmdBlockStatus, 0, 0, 512, EInval },
    };

    [Theory, MemberData(nameof(Refused))]
    public void Requests_outside_the_rules_are_refused_and_the_connection_kept(
        string what, ushort command, ushort flags, ulong offset, uint length, uint error)
    {
        using RawClient client = Connected(_server.EndPoint, "disk");

        client.Send(Request(command, 7, offset, length, flags));

        _ = what;
        client.Expect(SimpleReply(7, error));
        client.ExpectAlive();
    }

    public static TheoryData<string, ushort, ulong, uint, uint> RefusedWrites => new()
    {
        { "across the end", 0, Size - 1, 2, ENoSpc },
        { "past the end", 0, Size + 1, 1000, ENoSpc },
        { "at the highest offset", 0, ulong.MaxValue, 1, ENoSpc },
        { "with no hole", FlagNoHole, 0, 100_000, EInval },
        { "with an unknown flag", 0x4000, 0, 1, EInval },
        { "with a payload length", FlagPayloadLen, 0, 1, EInval },
        { "that is too long", 0, 0, (32 << 20) + 1, EInval },
    };

    [Theory, MemberData(nameof(RefusedWrites))]
    public void The_payload_of_a_refused_write_is_dropped(
        string what, ushort flags, ulong offset, uint length, uint error)
    {
        using RawClient client = Connected(_server.EndPoint, "disk");

        client.Send(Request(CmdWrite, 7, offset, length, flags, new byte[length]));

        _ = what;
        client.Expect(SimpleReply(7, error));
        client.ExpectAlive();
    }

    [Theory]
    [InlineData(CmdWrite)]
    [InlineData(CmdTrim)]
    [InlineData(CmdWriteZeroes)]
    public void A_read_only_export_permits_nothing_that_writes(ushort command)
    {
        using RawClient client = Connected(_server.EndPoint, "fixed");

        client.Send(Request(command, 7, 0, 512, 0, command == CmdWrite ? new byte[512] : []));

        client.Expect(SimpleReply(7, EPerm));
        client.ExpectAlive();
    }

    [Theory]
    [InlineData(CmdRead)]
    [InlineData(CmdWrite)]
    [InlineData(CmdTrim)]
    [InlineData(CmdCache)]
    [InlineData(CmdWriteZeroes)]
    public void A_length_of_zero_is_done_at_once(ushort command)
    {
        using RawClient client = Connected(_server.EndPoint, "disk");

        client.Send(Request(command, 7, Size, 0, FlagFua));

        client.Expect(SimpleReply(7));
        client.ExpectAlive();
    }

    [Fact]
    public void Fua_is_accepted_on_every_command()
    {
        using RawClient client = Connected(_server.EndPoint, "disk");
        client.Send(Request(CmdRead, 1, 0, 4, FlagFua));
        client.Expect(SimpleReply(1, 0, new byte[4]));

        client.Send(Request(CmdFlush, 2, 0, 0, FlagFua));
        client.Expect(SimpleReply(2));
    }

    [Fact]
    public void A_wrong_request_magic_ends_the_connection()
    {
        using RawClient client = Connected(_server.EndPoint, "disk");

        client.Send([.. U32(0x25609514), .. new byte[24]]);

        client.ExpectClosed();
        Wait.Until(() => _server.Log.Notes.Any(
            note => note.Contains("wrong magic of a request", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_payload_that_nobody_would_send_ends_the_connection()
    {
        using RawClient client = Connected(_server.EndPoint, "disk");

        client.Send(Request(CmdWrite, 7, 0, uint.MaxValue));

        client.ExpectClosed();
    }

    [Fact]
    public void Requests_before_a_broken_one_are_answered()
    {
        using RawClient client = Connected(_server.EndPoint, "disk");

        client.Send([.. Request(CmdFlush, 1, 0, 0), .. Request(CmdCache, 2, 0, 512), .. new byte[28]]);

        byte[] replies = client.Receive(32);
        Assert.Equal(
            [Convert.ToHexString(SimpleReply(1)), Convert.ToHexString(SimpleReply(2))],
            new[] { Convert.ToHexString(replies[..16]), Convert.ToHexString(replies[16..]) }.Order());
        client.ExpectClosed();
    }

    [Fact]
    public void With_structured_replies_a_refusal_says_why()
    {
        using TestServer server = new(new MemoryBlockDevice(4096));
        using RawClient client = Structured(server.EndPoint);

        client.Send(Request(CmdRead, 7, 4096, 1));

        byte[] text = "past the end of the export"u8.ToArray();
        client.Expect(Chunk(1, 0x8001, 7, [.. U32(EInval), .. U16((ushort)text.Length), .. text]));
    }
}
