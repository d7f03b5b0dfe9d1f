using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd;

/// <summary>Clients that send nonsense: each is answered or dropped, nothing else happens.</summary>
public sealed class MutationTests
{
    private const int Size = 1 << 20;
    private const int Attempts = 500;

    private static readonly byte[] Handshake =
    [
        .. U32(3), .. Option(OptList), .. Option(OptStructuredReply), .. Option(OptExtendedHeaders),
        .. Option(OptListMetaContext, Queries("disk", "base:", "x-test:blocks")),
        .. Option(OptSetMetaContext, Queries("disk", "x-test:blocks")),
        .. Option(OptInfo, ExportAndRequests("disk", 1, 2, 3)), .. Option(77, 1, 2, 3),
        .. Option(OptGo, ExportAndRequests("disk", 3)),
    ];

    private static readonly byte[] Requests =
    [
        .. Request(CmdRead, 1, 0, 4096), .. Request(CmdWrite, 2, 512, 700, 0, new byte[700]),
        .. Request(CmdBlockStatus, 3, 0, 100_000), .. Request(CmdFlush, 4, 0, 0),
        .. Request(CmdWriteZeroes, 5, 4096, 8192, FlagNoHole), .. Request(CmdTrim, 6, 0, 1000, FlagFua),
        .. Request(CmdCache, 7, 0, 512), .. Request(CmdRead, 8, 70_000, 300_000), .. Request(CmdDisc, 9, 0, 0),
    ];

    private static readonly byte[] ExtendedRequests =
    [
        .. ExtendedRequest(CmdRead, 1, 0, 4096),
        .. ExtendedRequest(CmdWrite, 2, 512, 700, FlagPayloadLen, new byte[700]),
        .. ExtendedRequest(CmdBlockStatus, 3, 0, 100_000),
        .. ExtendedRequest(CmdBlockStatus, 3, 0, 12, FlagPayloadLen, [.. U64(100_000), .. U32(1)]),
        .. ExtendedRequest(CmdTrim, 6, 0, 1000, FlagFua), .. ExtendedRequest(CmdDisc, 9, 0, 0),
    ];

    [Theory]
    [MemberData(nameof(Seeds.For), 4, MemberType = typeof(Seeds))]
    public void Mutated_handshakes_are_answered_or_dropped(int seed)
    {
        using MemoryBlockDevice device = new(Size);
        Random random = new(seed);
        for (int i = 0; i < Attempts; i++)
        {
            byte[] script = Mutate(Handshake, random);
            ScriptedTransport transport = new(script, random.Next(1, 100));
            Exception? fault = Record.Exception(() => new NbdHandshake(transport, [Export(device)], tls: null).Run());

            Assert.True(fault is null or NbdProtocolException, $"seed {seed}, attempt {i}: {fault}");
            Assert.InRange(transport.SentBytes, 18, 100_000);
        }
    }

    [Theory]
    [MemberData(nameof(Seeds.For), 4, MemberType = typeof(Seeds))]
    public void Mutated_requests_are_answered_or_dropped(int seed)
    {
        using HookedDevice device = new(Size);
        Random random = new(seed);
        NbdBuffers buffers = new();
        RecordingLog log = new();
        for (int i = 0; i < Attempts; i++)
        {
            device.IsReady = random.Next(2) == 0;
            var style = (ReplyStyle)random.Next(3);
            byte[] script = Mutate(style == ReplyStyle.Extended ? ExtendedRequests : Requests, random);
            ScriptedTransport transport = new(script, random.Next(1, 1000));
            NbdSession session = new(
                Export(device), style, [new SelectedContext(1, new PatternContext("x-test:blocks", 4096, 0, 1))]);
            NbdTransmission transmission = new(
                session, transport, work => work.Run(), buffers, new ConnectionLog(log, "test"));
            Exception? fault = Record.Exception(transmission.Run);

            Assert.True(fault is null or NbdProtocolException, $"seed {seed}, attempt {i}: {fault}");
        }

        Assert.Empty(log.Faults);
    }

    private static NbdExport Export(IBlockDevice device) =>
        new("disk", device, new BlockStatusCatalog(new PatternContext("x-test:blocks", 4096, 0, 1)));

    private static byte[] Mutate(byte[] script, Random random)
    {
        byte[] mutated = [.. script];
        for (int changes = random.Next(1, 6); changes > 0; changes--)
        {
            int at = random.Next(mutated.Length);
            switch (random.Next(5))
            {
                case 0:
                    mutated = mutated[..(at + 1)];
                    break;
                case 1:
                    mutated[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    mutated[at] = random.Next(2) == 0 ? byte.MaxValue : byte.MinValue;
                    break;
                case 3:
                    mutated = [.. mutated[..at], .. mutated[at..Math.Min(at + random.Next(64), mutated.Length)], .. mutated[at..]];
                    break;
                default:
                    mutated = [.. mutated[..at], .. mutated[Math.Min(at + random.Next(64), mutated.Length - 1)..]];
                    break;
            }
        }

        return mutated;
    }
}
