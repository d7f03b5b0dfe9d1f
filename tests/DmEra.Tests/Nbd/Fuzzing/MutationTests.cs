using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Nbd;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transmission;

namespace DmEra.Tests.Nbd.Fuzzing;

/// <summary>Clients that send nonsense: each is answered or dropped, nothing else happens.</summary>
public sealed class MutationTests
{
    private const int Size = 1 << 20;
    private const int Attempts = 500;

    [Theory]
    [MemberData(nameof(Seeds.For), 4, MemberType = typeof(Seeds))]
    public void Mutated_handshakes_are_answered_or_dropped(int seed)
    {
        using MemoryBlockDevice device = new(Size);
        Random random = new(seed);
        for (int i = 0; i < Attempts; i++)
        {
            byte[] script = Mutation.Of(Mutation.Handshake, random);
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
            byte[] script = Mutation.Of(
                style == ReplyStyle.Extended ? Mutation.ExtendedRequests : Mutation.Requests, random);
            ScriptedTransport transport = new(script, random.Next(1, 1000));
            NbdSession session = new(
                Export(device), style, [new SelectedContext(1, new PatternContext(Mutation.Context, 4096, 0, 1))]);
            NbdTransmission transmission = new(
                session, transport, work => work.Run(), buffers, new ConnectionLog(log, "test"),
                SystemThreads.Instance);
            Exception? fault = Record.Exception(transmission.Run);

            Assert.True(fault is null or NbdProtocolException, $"seed {seed}, attempt {i}: {fault}");
        }

        Assert.Empty(log.Faults);
    }

    private static NbdExport Export(IBlockDevice device) =>
        new("disk", device, new BlockStatusCatalog(new PatternContext(Mutation.Context, 4096, 0, 1)));
}
