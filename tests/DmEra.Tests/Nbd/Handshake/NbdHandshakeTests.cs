using System.Text;
using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Handshake;

public sealed class NbdHandshakeTests : IDisposable
{
    private const ushort DiskFlags = 0x0d6d;    // all that is offered without structured replies
    private const ushort DfFlag = 0x80;

    private readonly TestServer _server = new(
        new NbdExport("disk", new MemoryBlockDevice(1 << 20), new BlockStatusCatalog()) { Description = "a disk" },
        new NbdExport("fixed", new MemoryBlockDevice(4096), new BlockStatusCatalog()) { IsReadOnly = true });

    public void Dispose() => _server.Dispose();

    [Fact]
    public void Greeting_offers_fixed_newstyle_and_to_leave_out_the_zeroes()
    {
        using RawClient client = new(_server.EndPoint);

        client.Expect([.. "NBDMAGICIHAVEOPT"u8, 0, 3]);
    }

    [Fact]
    public void Unknown_client_flags_end_the_connection()
    {
        using RawClient client = Greeted(_server.EndPoint, clientFlags: 7);

        client.ExpectClosed();
    }

    [Fact]
    public void Export_name_is_answered_with_size_flags_and_124_zeroes()
    {
        using RawClient client = Greeted(_server.EndPoint, clientFlags: 1);

        client.Send(Option(OptExportName, "disk"u8.ToArray()));

        client.Expect([.. U64(1 << 20), .. U16(DiskFlags), .. new byte[124]]);
        client.ExpectAlive();
    }

    [Fact]
    public void Export_name_is_answered_without_zeroes_when_both_sides_agreed_so()
    {
        using RawClient client = Greeted(_server.EndPoint, clientFlags: 3);

        client.Send(Option(OptExportName, "disk"u8.ToArray()));

        client.Expect([.. U64(1 << 20), .. U16(DiskFlags)]);
        client.ExpectAlive();
    }

    [Fact]
    public void A_client_without_fixed_newstyle_can_choose_an_export_and_nothing_else()
    {
        using RawClient chooser = Greeted(_server.EndPoint, clientFlags: 0);
        chooser.Send(Option(OptExportName, "fixed"u8.ToArray()));
        chooser.Expect(U64(4096));

        using RawClient lister = Greeted(_server.EndPoint, clientFlags: 0);
        lister.Send(Option(OptList));
        lister.ExpectClosed();
    }

    [Fact]
    public void An_unknown_name_in_export_name_can_only_be_answered_by_closing()
    {
        using RawClient client = Greeted(_server.EndPoint);

        client.Send(Option(OptExportName, "desk"u8.ToArray()));

        client.ExpectClosed();
        Wait.Until(() => _server.Log.Notes.Any(note => note.EndsWith("no export is called \"desk\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void Go_answers_size_and_flags_and_enters_transmission()
    {
        using RawClient client = Greeted(_server.EndPoint);

        client.Send(Option(OptGo, ExportAndRequests("disk")));

        client.Expect(
        [
            .. U64(0x3e889045565a9), .. U32(OptGo), .. U32(RepInfo), .. U32(12),
            .. U16(0), .. U64(1 << 20), .. U16(DiskFlags),
            .. U64(0x3e889045565a9), .. U32(OptGo), .. U32(RepAck), .. U32(0),
        ]);
        client.ExpectAlive();
    }

    [Fact]
    public void Info_answers_what_was_asked_for_and_goes_on_negotiating()
    {
        using RawClient client = Greeted(_server.EndPoint);

        IReadOnlyList<OptionReply> replies = client.Negotiate(OptInfo, ExportAndRequests("disk", 1, 2, 3, 77));

        Assert.Equal([RepInfo, RepInfo, RepInfo, RepInfo, RepAck], replies.Select(reply => reply.Type));
        Assert.Equal([.. U16(0), .. U64(1 << 20), .. U16(DiskFlags)], replies[0].Data);
        Assert.Equal([.. U16(1), .. "disk"u8], replies[1].Data);
        Assert.Equal([.. U16(2), .. "a disk"u8], replies[2].Data);
        Assert.Equal([.. U16(3), .. U32(1), .. U32(4096), .. U32(32 << 20)], replies[3].Data);
        client.Go("disk");
        client.ExpectAlive();
    }

    [Fact]
    public void Flags_tell_of_read_only_and_of_replies_that_can_be_kept_in_one_piece()
    {
        using RawClient client = Greeted(_server.EndPoint);
        client.Negotiate(OptStructuredReply);

        Assert.Equal(0x050f | DfFlag, client.Go("fixed"));
    }

    [Fact]
    public void List_names_every_export_with_its_description()
    {
        using RawClient client = Greeted(_server.EndPoint);

        IReadOnlyList<OptionReply> replies = client.Negotiate(OptList);

        Assert.Equal([RepServer, RepServer, RepAck], replies.Select(reply => reply.Type));
        Assert.Equal([.. Text("disk"), .. "a disk"u8], replies[0].Data);
        Assert.Equal(Text("fixed"), replies[1].Data);
    }

    [Fact]
    public void The_empty_name_is_unknown_where_there_are_several_exports()
    {
        using RawClient client = Greeted(_server.EndPoint);

        Assert.Equal(RepErrUnknown, Assert.Single(client.Negotiate(OptGo, ExportAndRequests(""))).Type);
    }

    [Fact]
    public void The_empty_name_gives_an_only_export_under_its_own_name()
    {
        using TestServer server = new(
            new NbdExport("only", new MemoryBlockDevice(512), new BlockStatusCatalog()));
        using RawClient client = Greeted(server.EndPoint);

        IReadOnlyList<OptionReply> replies = client.Negotiate(OptInfo, ExportAndRequests("", 1));

        Assert.Equal([.. U16(1), .. "only"u8], replies[1].Data);
    }

    [Fact]
    public void Abort_is_acknowledged_and_ends_the_connection()
    {
        using RawClient client = Greeted(_server.EndPoint);

        Assert.Equal(RepAck, Assert.Single(client.Negotiate(OptAbort, 1, 2, 3)).Type);
        client.ExpectClosed();
    }

    [Theory]
    [InlineData(4u)]
    [InlineData(13u)]
    [InlineData(12u)]
    [InlineData(uint.MaxValue)]
    public void Unknown_options_are_refused_and_skipped(uint option)
    {
        using RawClient client = Greeted(_server.EndPoint);

        Assert.Equal(RepErrUnsup, Assert.Single(client.Negotiate(option, new byte[1000])).Type);
        client.Go("disk");
        client.ExpectAlive();
    }

    public static TheoryData<string, uint, byte[]> Malformed => new()
    {
        { "list with data", OptList, [1] },
        { "structured replies with data", OptStructuredReply, [1] },
        { "extended headers with data", OptExtendedHeaders, [1] },
        { "go without data", OptGo, [] },
        { "go with a name that ends nowhere", OptGo, [.. U32(4), .. "dis"u8] },
        { "go with a huge name length", OptGo, [.. U32(uint.MaxValue), .. "disk"u8, 0, 0] },
        { "go without a count of requests", OptGo, Text("disk") },
        { "go with fewer requests than announced", OptGo, [.. Text("disk"), .. U16(2), .. U16(3)] },
        { "go with more than announced", OptGo, [.. Text("disk"), .. U16(0), .. U16(3)] },
        { "go with half a request", OptGo, [.. Text("disk"), .. U16(1), 0] },
        { "info with a name of 5,000 bytes", OptInfo, ExportAndRequests(new string('x', 5000)) },
        { "go with a name of 5,000 bytes", OptGo, ExportAndRequests(new string('x', 5000)) },
        { "go with a NUL in the name", OptGo, ExportAndRequests("di\0sk") },
        { "go with a name that is not UTF-8", OptGo, [.. U32(2), 0xC3, 0x28, .. U16(0)] },
        { "contexts without data", OptListMetaContext, [] },
        { "contexts without a count of queries", OptListMetaContext, Text("disk") },
        { "contexts with fewer queries than announced", OptListMetaContext, [.. Text("disk"), .. U32(2), .. Text("base:")] },
        { "contexts with billions of queries announced", OptListMetaContext, [.. Text("disk"), .. U32(uint.MaxValue)] },
        { "contexts with more than announced", OptListMetaContext, [.. Text("disk"), .. U32(0), 1] },
        { "contexts with a query that ends nowhere", OptListMetaContext, [.. Text("disk"), .. U32(1), .. U32(9), 65] },
        { "contexts with a query of 5,000 bytes", OptListMetaContext, Queries("disk", $"era:since-{new string('x', 5000)}") },
        { "contexts with a NUL in a query", OptListMetaContext, Queries("disk", "era:since-a\0b") },
        { "contexts with a query that is not UTF-8", OptListMetaContext, [.. Text("disk"), .. U32(1), .. U32(2), 0xC3, 0x28] },
        { "contexts before structured replies", OptSetMetaContext, Queries("disk", "base:allocation") },
    };

    [Theory, MemberData(nameof(Malformed))]
    public void Malformed_options_are_refused_and_do_no_harm(string what, uint option, byte[] data)
    {
        using RawClient client = Greeted(_server.EndPoint);

        OptionReply refusal = Assert.Single(client.Negotiate(option, data));

        Assert.True(refusal.Type == RepErrInvalid, $"{what}: 0x{refusal.Type:x}");
        Assert.NotEmpty(refusal.Text);
        client.Go("disk");
        client.ExpectAlive();
    }

    // CVE-2017-15118: such a name overflowed a server's stack.
    [Theory]
    [InlineData(3000)]
    [InlineData(4096)]
    public void Cve_2017_15118_a_name_of_3000_bytes_is_merely_unknown(int length)
    {
        using RawClient client = Greeted(_server.EndPoint);

        OptionReply refusal = Assert.Single(client.Negotiate(OptGo, ExportAndRequests(new string('1', length))));

        Assert.Equal(RepErrUnknown, refusal.Type);
        Assert.InRange(refusal.Data.Length, 1, 4096);
        client.Go("disk");
        client.ExpectAlive();
    }

    [Theory]
    [InlineData(3000)]
    [InlineData(5000)]
    public void A_long_name_in_export_name_ends_the_connection(int length)
    {
        using RawClient client = Greeted(_server.EndPoint);

        client.Send(Option(OptExportName, Encoding.ASCII.GetBytes(new string('1', length))));

        client.ExpectClosed();
    }

    [Fact]
    public void An_option_with_too_much_data_is_skipped()
    {
        using RawClient client = Greeted(_server.EndPoint);

        Assert.Equal(RepErrTooBig, Assert.Single(client.Negotiate(OptGo, new byte[1_000_000])).Type);
        client.Go("disk");
        client.ExpectAlive();
    }

    [Fact]
    public void An_option_that_announces_absurdly_much_data_ends_the_connection()
    {
        using RawClient client = Greeted(_server.EndPoint);

        client.Send([.. "IHAVEOPT"u8, .. U32(OptGo), .. U32(uint.MaxValue)]);

        client.ExpectClosed();
    }

    [Fact]
    public void A_wrong_option_magic_ends_the_connection()
    {
        using RawClient client = Greeted(_server.EndPoint);

        client.Send([.. "IHAVEOPS"u8, .. U32(OptList), .. U32(0)]);

        client.ExpectClosed();
    }

    [Fact]
    public void A_client_that_negotiates_for_ever_is_dropped()
    {
        using RawClient client = Greeted(_server.EndPoint);

        for (int i = 0; i < 128; i++) client.Negotiate(OptList);

        client.ExpectClosed();
    }

    [Fact]
    public void Options_sent_in_one_go_are_answered_in_order()
    {
        using RawClient client = Greeted(_server.EndPoint);

        client.Send(
        [
            .. Option(OptStructuredReply), .. Option(99, 1, 2, 3), .. Option(OptGo, ExportAndRequests("disk")),
            .. Request(CmdFlush, 42, 0, 0),
        ]);

        Assert.Equal(RepAck, client.ReceiveOptionReplies(OptStructuredReply)[^1].Type);
        Assert.Equal(RepErrUnsup, client.ReceiveOptionReplies(99)[^1].Type);
        Assert.Equal(RepAck, client.ReceiveOptionReplies(OptGo)[^1].Type);
        client.Expect(SimpleReply(42));
    }

    [Fact]
    public void Options_that_arrive_byte_by_byte_are_understood()
    {
        using RawClient client = Greeted(_server.EndPoint);

        foreach (byte one in Option(OptGo, ExportAndRequests("disk"))) client.Send(one);

        Assert.Equal(RepAck, client.ReceiveOptionReplies(OptGo)[^1].Type);
        client.ExpectAlive();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(19)]
    [InlineData(25)]
    public void A_client_that_leaves_in_the_middle_of_the_handshake_is_forgotten(int after)
    {
        using (RawClient client = new(_server.EndPoint))
        {
            byte[] whole = [.. U32(3), .. Option(OptGo, ExportAndRequests("disk"))];
            client.Send(whole[..after]);
        }

        _server.AwaitConnections(0);
        Assert.Empty(_server.Log.Faults);
    }

    [Fact]
    public void Extended_headers_cannot_be_traded_back_for_structured_replies()
    {
        using RawClient client = Greeted(_server.EndPoint);

        Assert.Equal(RepAck, Assert.Single(client.Negotiate(OptExtendedHeaders)).Type);
        Assert.Equal(RepErrExtHeaderReqd, Assert.Single(client.Negotiate(OptStructuredReply)).Type);
    }

    [Fact]
    public void Export_name_after_extended_headers_ends_the_connection()
    {
        using RawClient client = Greeted(_server.EndPoint);
        client.Negotiate(OptExtendedHeaders);

        client.Send(Option(OptExportName, "disk"u8.ToArray()));

        client.ExpectClosed();
    }
}
