using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Nbd;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Transmission;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Transmission;

/// <summary>What the request path costs when it is warm, and when it replies; single-threaded, so that it can be counted
/// exactly.</summary>
public sealed class SteadyStateTests
{
    private const int Rounds = 1000;
    private const int Size = 4 << 20;

    // A collection, whoever causes it, takes what is left of the thread's allocation window.
    private const int LostToCollections = 8192;

    // The values are ReplyStyles, which tests cannot name in public.
    [Theory]
    [InlineData(0, true)]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(2, false)]
    public void No_request_allocates(int style, bool ready)
    {
        using HookedDevice device = new(Size) { IsReady = ready };
        byte[] round = Round((ReplyStyle)style);
        ScriptedTransport transport = new(round, 300_000, Rounds);

        // The first half warms buffers and code up; the last receive finds the client gone.
        long before = 0;
        long after = 0;
        transport.BeforeReceive = position =>
        {
            if (position < (long)Rounds / 2 * round.Length) before = GC.GetAllocatedBytesForCurrentThread();
            else after = GC.GetAllocatedBytesForCurrentThread();
        };
        Run(device, (ReplyStyle)style, transport);

        Assert.True(transport.SentBytes > Rounds * 100_000, $"only {transport.SentBytes} bytes were sent");
        Assert.InRange(after - before, 0, LostToCollections);   // one object a round would be 12,000 bytes
    }

    [Fact]
    public void Requests_that_arrive_together_are_answered_together()
    {
        using HookedDevice device = new(Size) { IsReady = true };
        ScriptedTransport transport = new(
            [.. Enumerable.Range(0, 32).SelectMany(i => Request(CmdRead, (ulong)i, (ulong)i * 4096, 4096))]);

        Run(device, ReplyStyle.Simple, transport);

        Assert.Equal(32 * (16 + 4096), transport.SentBytes);
        Assert.Equal(1, transport.Sends);
    }

    // libnbd takes an answer to what it is still sending for a bug in the server.
    [Fact]
    public void A_refused_write_is_answered_only_when_its_payload_has_arrived()
    {
        using HookedDevice device = new(Size) { IsReady = true };
        byte[] refused = Request(CmdWrite, 2, Size, 100_000, 0, new byte[100_000]);
        byte[] served = Request(CmdRead, 1, 0, 4096);
        ScriptedTransport transport = new([.. served, .. refused], 30_000);
        List<long> sent = [];
        transport.BeforeReceive = position =>
        {
            if (position > 0 && position < served.Length + refused.Length) sent.Add(transport.SentBytes);
        };

        Run(device, ReplyStyle.Simple, transport);

        Assert.NotEmpty(sent);
        Assert.All(sent, bytes => Assert.Equal(16 + 4096, bytes));
        Assert.Equal(16 + 4096 + 16, transport.SentBytes);
    }

    private static void Run(HookedDevice device, ReplyStyle style, ScriptedTransport transport)
    {
        NbdExport export = new("", device, new BlockStatusCatalog());
        SelectedContext context = new(1, new PatternContext("x-test:blocks", 4096, 0, 1));
        NbdSession session = new(export, style, [context]);
        ConnectionLog log = new(new RecordingLog(), "test");
        new NbdTransmission(session, transport, work => work.Run(), new NbdBuffers(), log, SystemThreads.Instance).Run();
    }

    private static byte[] Round(ReplyStyle style) => style == ReplyStyle.Extended
        ?
        [
            .. ExtendedRequest(CmdRead, 1, 0, 4096), .. ExtendedRequest(CmdRead, 2, 1, 100_000, FlagDf),
            .. ExtendedRequest(CmdWrite, 3, 4096, 4096, FlagPayloadLen, Pattern(4096)),
            .. ExtendedRequest(CmdWrite, 4, 1 << 20, 100_000, FlagPayloadLen, Pattern(100_000)),
            .. ExtendedRequest(CmdFlush, 5, 0, 0), .. ExtendedRequest(CmdTrim, 6, 1 << 21, 512),
            .. ExtendedRequest(CmdBlockStatus, 7, 0, 400_000), .. ExtendedRequest(CmdRead, 8, 1 << 20, 300_000),
            .. ExtendedRequest(CmdRead, 9, Size, 1),
        ]
        :
        [
            .. Request(CmdRead, 1, 0, 4096), .. Request(CmdRead, 2, 1, 100_000),
            .. Request(CmdWrite, 3, 4096, 4096, 0, Pattern(4096)),
            .. Request(CmdWrite, 4, 1 << 20, 100_000, 0, Pattern(100_000)),
            .. Request(CmdFlush, 5, 0, 0), .. Request(CmdTrim, 6, 1 << 21, 512),
            .. style == ReplyStyle.Structured ? Request(CmdBlockStatus, 7, 0, 400_000) : [],
            .. Request(CmdRead, 8, 1 << 20, 300_000), .. Request(CmdRead, 9, Size, 1),
        ];

    private static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(i | 1))];
}
