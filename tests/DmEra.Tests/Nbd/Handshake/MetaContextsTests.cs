using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Handshake;

public sealed class MetaContextsTests : IDisposable
{
    private readonly TestServer _server = new(
        new NbdExport("disk", new MemoryBlockDevice(1 << 20), new NumberedCatalog(
            "base:allocation", "qemu:dirty-bitmap:a", "qemu:dirty-bitmap:b", "x-era:last")),
        new NbdExport("other", new MemoryBlockDevice(1 << 20), new NumberedCatalog("base:allocation")));

    public void Dispose() => _server.Dispose();

    public static TheoryData<string[], string[]> Lists => new()
    {
        { [], ["base:allocation", "qemu:dirty-bitmap:a", "qemu:dirty-bitmap:b", "x-era:last"] },
        { ["base:"], ["base:allocation"] },
        { ["qemu:"], ["qemu:dirty-bitmap:a", "qemu:dirty-bitmap:b"] },
        { ["qemu:dirty-bitmap:", "qemu:"], ["qemu:dirty-bitmap:a", "qemu:dirty-bitmap:b"] },
        { ["qemu:dirty-bitmap:b"], ["qemu:dirty-bitmap:b"] },
        { ["x-number:7"], ["x-number:7"] },
        { ["base:nothing", "unknown:", "nonsense", ""], [] },
    };

    [Theory, MemberData(nameof(Lists))]
    public void Listing_matches_names_and_beginnings_of_names(string[] queries, string[] expected)
    {
        using RawClient client = Greeted(_server.EndPoint);

        IReadOnlyList<OptionReply> replies = client.Negotiate(OptListMetaContext, Queries("disk", queries));

        Assert.Equal(RepAck, replies[^1].Type);
        Assert.Equal(
            expected.Select(name => Convert.ToHexString([.. U32(0), .. System.Text.Encoding.UTF8.GetBytes(name)])),
            replies.SkipLast(1).Select(reply => Convert.ToHexString(reply.Data)));
    }

    [Fact]
    public void Selecting_numbers_the_contexts_found_and_ignores_the_rest()
    {
        using RawClient client = Greeted(_server.EndPoint);
        client.Negotiate(OptStructuredReply);

        IReadOnlyList<OptionReply> replies = client.Negotiate(
            OptSetMetaContext,
            Queries("disk", "x-number:5", "base:", "x-other:thing", "base:allocation", "x-number:5"));

        Assert.Equal([RepMetaContext, RepMetaContext, RepAck], replies.Select(reply => reply.Type));
        Assert.Equal([.. U32(1), .. "x-number:5"u8], replies[0].Data);
        Assert.Equal([.. U32(2), .. "base:allocation"u8], replies[1].Data);
    }

    [Theory]
    [InlineData(OptListMetaContext)]
    [InlineData(OptSetMetaContext)]
    public void Contexts_of_an_unknown_export_are_refused(uint option)
    {
        using RawClient client = Greeted(_server.EndPoint);
        client.Negotiate(OptStructuredReply);

        Assert.Equal(RepErrUnknown, Assert.Single(client.Negotiate(option, Queries("desk", "base:"))).Type);
    }

    [Fact]
    public void More_contexts_than_a_connection_may_have_are_refused()
    {
        using RawClient client = Greeted(_server.EndPoint);
        client.Negotiate(OptStructuredReply);
        string[] names = [.. Enumerable.Range(0, 17).Select(number => $"x-number:{number}")];

        Assert.Equal(
            17, client.Negotiate(OptSetMetaContext, Queries("disk", names[..16])).Count);
        Assert.Equal(
            RepErrTooBig, Assert.Single(client.Negotiate(OptSetMetaContext, Queries("disk", names))).Type);
    }

    [Theory]
    [InlineData(OptListMetaContext)]
    [InlineData(OptSetMetaContext)]
    public void More_queries_than_anybody_needs_are_refused(uint option)
    {
        using RawClient client = Greeted(_server.EndPoint);
        client.Negotiate(OptStructuredReply);
        string[] names = [.. Enumerable.Repeat("x-unknown:thing", 129)];

        Assert.Equal(RepAck, Assert.Single(client.Negotiate(option, Queries("disk", names[..128]))).Type);
        Assert.Equal(RepErrTooBig, Assert.Single(client.Negotiate(option, Queries("disk", names))).Type);
        client.Go("disk");
        client.ExpectAlive();
    }

    [Fact]
    public void Contexts_selected_for_another_export_do_not_count()
    {
        using RawClient client = Greeted(_server.EndPoint);
        client.Negotiate(OptStructuredReply);
        client.Negotiate(OptSetMetaContext, Queries("other", "base:allocation"));
        client.Go("disk");

        client.Send(Request(CmdBlockStatus, 1, 0, 512));

        client.ExpectErrorChunk(1, EInval);
    }

    [Fact]
    public void A_selection_that_fails_leaves_none_selected()
    {
        using RawClient client = Greeted(_server.EndPoint);
        client.Negotiate(OptStructuredReply);
        client.Negotiate(OptSetMetaContext, Queries("disk", "base:allocation"));
        client.Negotiate(OptSetMetaContext, 1, 2, 3);
        client.Go("disk");

        client.Send(Request(CmdBlockStatus, 1, 0, 512));

        client.ExpectErrorChunk(1, EInval);
    }

    [Theory]
    [InlineData("disk@before upgrade", "qemu:dirty-bitmap:disk/before upgrade")]
    [InlineData("disk@a@b", "qemu:dirty-bitmap:disk/a@b")]
    [InlineData("odd@disk@x", "qemu:dirty-bitmap:odd@disk/x")]
    [InlineData("odd@disk", "qemu:dirty-bitmap:itself")]
    public void A_view_of_an_export_has_contexts_of_its_own(string name, string context)
    {
        using TestServer server = new(Export("disk"), Export("odd@disk"), Export("odd"));
        using RawClient client = Greeted(server.EndPoint);
        client.Negotiate(OptStructuredReply);

        IReadOnlyList<OptionReply> listed = client.Negotiate(OptListMetaContext, Queries(name, "qemu:"));
        Assert.Equal([.. U32(0), .. System.Text.Encoding.UTF8.GetBytes(context)], listed[0].Data);
        Assert.Equal(2, listed.Count);
        Assert.Equal(2, client.Negotiate(OptSetMetaContext, Queries(name, context)).Count);
        IReadOnlyList<OptionReply> info = client.Negotiate(OptInfo, ExportAndRequests(name, 1));
        Assert.Equal([.. U16(1), .. System.Text.Encoding.UTF8.GetBytes(name)], info[1].Data);
        client.Go(name);

        client.Send(Request(CmdBlockStatus, 1, 0, 4096));
        client.Expect(Chunk(1, 5, 1, [.. U32(1), .. U32(4096), .. U32(0)]));
        client.Send(Request(CmdWrite, 2, 0, 1, 0, [7]));
        client.Expect(SimpleReply(2));

        static NbdExport Export(string name) => new(name, new MemoryBlockDevice(1 << 20), new NumberedCatalog("qemu:dirty-bitmap:itself"))
        {
            Views = view => view == "none" ? null : new NumberedCatalog($"qemu:dirty-bitmap:{name}/{view}"),
        };
    }

    [Fact]
    public void A_view_of_the_only_export_needs_no_name()
    {
        using TestServer server = new(new NbdExport("disk", new MemoryBlockDevice(1 << 20), new BlockStatusCatalog())
        {
            Views = view => view == "x" ? new NumberedCatalog("x-view") : null,
        });
        using RawClient client = Greeted(server.EndPoint);

        Assert.Equal(2, client.Negotiate(OptListMetaContext, Queries("@x")).Count);
        foreach (string unknown in new[] { "@", "@y", "disk@", "disk@y", "x", "disk/x" })
            Assert.Equal(RepErrUnknown, Assert.Single(client.Negotiate(OptListMetaContext, Queries(unknown))).Type);
        Assert.Equal([RepServer, RepAck], client.Negotiate(OptList).Select(reply => reply.Type));
    }

    // Knows the names it is given, and x-number:N for any N.
    private sealed class NumberedCatalog(params string[] names) : IBlockStatusCatalog
    {
        public IReadOnlyCollection<string> Names => names;

        public IBlockStatusContext? Find(string name) =>
            names.Contains(name) || name.StartsWith("x-number:", StringComparison.Ordinal)
                ? new PatternContext(name, 4096, 0, 1)
                : null;
    }
}
