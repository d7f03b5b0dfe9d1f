using System.Globalization;
using System.Net;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Fuzzing;

/// <summary>
/// Clients that mean harm, or are broken, on real connections. Each either is done with its connection in the end, or
/// holds on to it: then it is returned, to be let go of later.
/// </summary>
internal static class HostileClient
{
    // Replies enough to fill a socket, and few enough for the test to hold many such clients.
    private const int RequestsWithoutReading = 8;
    private const int LongNameBytes = 3000;
    private const byte TlsHandshakeRecord = 0x16;

    private static readonly Func<EndPoint, string, Random, RawClient?>[] Ways =
    [
        ComeAndGo, SayNonsense, AskNonsense, AskNonsenseAtLength, NameNonsense, StartTlsAndTalkOn, SpeakTlsAtOnce,
        Trickle, NeverRead, LeaveInTheMiddle,
    ];

    /// <summary>How many come: as many as <c>ERA_FUZZ_CLIENTS</c> says, else as many as usual.</summary>
    public static int Count(int usual) =>
        Environment.GetEnvironmentVariable("ERA_FUZZ_CLIENTS") is { Length: > 0 } count
            ? int.Parse(count, CultureInfo.InvariantCulture)
            : usual;

    /// <summary>Attacks once, in one of the ways.</summary>
    /// <param name="server">Where.</param>
    /// <param name="export">An export that is there.</param>
    /// <param name="random">Decides.</param>
    public static RawClient? Attack(EndPoint server, string export, Random random)
    {
        try { return Ways[random.Next(Ways.Length)](server, export, random); }
        catch (IOException)
        {
            // The server had enough.
            return null;
        }
    }

    private static RawClient? ComeAndGo(EndPoint server, string export, Random random)
    {
        using RawClient client = new(server);
        return null;
    }

    private static RawClient? SayNonsense(EndPoint server, string export, Random random)
    {
        using RawClient client = new(server);
        client.Receive(18);
        SendAndDrain(client, Mutation.Of(Mutation.Handshake, random));
        return null;
    }

    private static RawClient? AskNonsense(EndPoint server, string export, Random random)
    {
        using RawClient client = Connected(server, export);
        SendAndDrain(client, Mutation.Of(Mutation.Requests, random));
        return null;
    }

    private static RawClient? AskNonsenseAtLength(EndPoint server, string export, Random random)
    {
        using RawClient client = Greeted(server);
        client.Negotiate(OptExtendedHeaders);
        client.Go(export);
        SendAndDrain(client, Mutation.Of(Mutation.ExtendedRequests, random));
        return null;
    }

    private static RawClient? NameNonsense(EndPoint server, string export, Random random)
    {
        using RawClient client = Greeted(server);
        byte[] name = new byte[LongNameBytes];
        random.NextBytes(name);
        if (random.Next(2) == 0) name.AsSpan().Fill((byte)'x');
        byte[] data = [.. U32(LongNameBytes), .. name, .. U16(0)];
        SendAndDrain(client, Option(random.Next(2) == 0 ? OptGo : OptExportName, random.Next(2) == 0 ? data : name));
        return null;
    }

    private static RawClient? StartTlsAndTalkOn(EndPoint server, string export, Random random)
    {
        using RawClient client = Greeted(server);
        byte[] plaintext = [.. Option(OptStartTls), .. Option(OptGo, ExportAndRequests(export)), .. Mutation.Requests];
        if (random.Next(2) == 0) client.Negotiate(OptStartTls);
        SendAndDrain(client, plaintext);
        return null;
    }

    private static RawClient? SpeakTlsAtOnce(EndPoint server, string export, Random random)
    {
        using RawClient client = new(server);
        byte[] hello = new byte[random.Next(1, 500)];
        random.NextBytes(hello);
        hello[0] = TlsHandshakeRecord;
        SendAndDrain(client, hello);
        return null;
    }

    /// <summary>Slow as a loris: the connection stays, and what it says never ends.</summary>
    private static RawClient? Trickle(EndPoint server, string export, Random random)
    {
        RawClient client = new(server);
        foreach (byte value in Mutation.Handshake.AsSpan(0, random.Next(Mutation.Handshake.Length))) client.Send(value);
        return client;
    }

    private static RawClient? NeverRead(EndPoint server, string export, Random random)
    {
        RawClient client = Connected(server, export);
        uint length = (uint)random.Next(1, 300_000);
        for (uint i = 0; i < RequestsWithoutReading; i++) client.Send(Request(CmdRead, i, 0, length));
        return client;
    }

    private static RawClient? LeaveInTheMiddle(EndPoint server, string export, Random random)
    {
        using RawClient client = Connected(server, export);
        client.Send([.. Mutation.Requests[..^28], .. Request(CmdWrite, 1, 0, 100_000, 0, new byte[random.Next(100_000)])]);
        return null;
    }

    /// <summary>Takes whatever comes until the server ends it: it must.</summary>
    private static void SendAndDrain(RawClient client, byte[] bytes)
    {
        client.Send(bytes);
        client.FinishSending();
        byte[] dropped = new byte[64 << 10];
        while (client.Stream.Read(dropped) > 0)
        {
        }
    }
}
