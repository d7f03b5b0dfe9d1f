using System.Net.Sockets;
using DmEra.Tests;
using DmEra.Tests.Nbd;
using DmEra.Tests.Nbd.Fuzzing;
using Xunit.Abstractions;

namespace DmEra.EndToEnd.Processes;

/// <summary>Hostile clients against the real process, for its memory and threads.</summary>
/// <remarks><c>ERA_FUZZ_CLIENTS=100000 ./test HostileClient</c> lets twice that many come.</remarks>
public sealed class HostileClientTests(ITestOutputHelper output) : IDisposable
{
    private const int MostHeld = 20;

    // Requests of up to 32 MiB leave buffers to a collector that takes its time; ten times as many clients need no more. Half
    // of the clients leaking what a connection has would.
    private const long MostMemoryKiB = 512 << 10;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Memory_and_threads_stay_flat_under_hostile_clients()
    {
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "16M");
        UnixDomainSocketEndPoint endPoint = new(server.Socket);
        Random random = new(1);
        Queue<RawClient> held = [];

        // The first ones fill pools.
        int clients = HostileClient.Count(usual: 1500);
        Attack(clients);
        long threads = Status(server, "Threads");
        output.WriteLine($"{Status(server, "VmRSS")} KiB after {clients} clients");
        Attack(clients);
        output.WriteLine($"{Status(server, "VmRSS")} KiB after as many again");

        Assert.InRange(Status(server, "VmRSS"), 0, MostMemoryKiB);
        Assert.InRange(Status(server, "Threads"), 0, threads + MostHeld);
        foreach (RawClient client in held) client.Dispose();
        using RawClient behaved = RawClient.Connected(endPoint, "disk");
        behaved.ExpectAlive();
        server.Terminate();
        Oracle.EraCheck(_folder["disk.era"]);

        void Attack(int clients)
        {
            for (int i = 0; i < clients; i++)
            {
                if (HostileClient.Attack(endPoint, "disk", random) is { } holding) held.Enqueue(holding);
                if (held.Count > MostHeld) held.Dequeue().Dispose();
            }
        }
    }

    [Fact]
    public void Clients_that_never_read_hold_little_together_and_leave_nothing_behind()
    {
        const int Long = 32 << 20;
        using EraServer server = EraServer.Start(_folder, _folder["disk"], "--size", "64M");
        UnixDomainSocketEndPoint endPoint = new(server.Socket);
        using RawClient reader = RawClient.Connected(endPoint, "disk");
        for (int i = 0; i < 64; i++) reader.Send(RawClient.Request(RawClient.CmdWrite, 1, (ulong)i << 20, 1 << 20, 0, Noise(i)));
        for (int i = 0; i < 64; i++) reader.Expect(RawClient.SimpleReply(1));
        List<RawClient> greedy = [.. Enumerable.Range(0, 60).Select(_ => RawClient.Connected(endPoint, "disk"))];
        foreach (RawClient client in greedy)
        {
            for (uint i = 0; i < 4; i++) client.Send(RawClient.Request(RawClient.CmdRead, i, i << 20, Long));
        }

        // Whoever reads is served meanwhile.
        for (int i = 0; i < 8; i++)
        {
            reader.Send(RawClient.Request(RawClient.CmdRead, 2, (ulong)i << 20, Long));
            reader.Expect(RawClient.SimpleReply(2));
            Assert.True(reader.Receive(Long).AsSpan(0, 1 << 20).SequenceEqual(Noise(i)));
        }

        long held = Status(server, "VmRSS");
        output.WriteLine($"{held} KiB with them");
        Assert.InRange(held, 0, MostMemoryKiB);
        greedy.ForEach(client => client.Dispose());
        Eventually.Equal("True", () => (Status(server, "VmRSS") < MostMemoryKiB / 2).ToString(), "the memory is given back");

        static byte[] Noise(int seed)
        {
            byte[] noise = new byte[1 << 20];
            new Random(seed).NextBytes(noise);
            return noise;
        }
    }

    private static long Status(EraServer server, string field)
    {
        string line = File.ReadLines($"/proc/{server.ProcessId}/status")
            .Single(line => line.StartsWith($"{field}:", StringComparison.Ordinal));
        return long.Parse(line.Split([':', '\t', ' '], StringSplitOptions.RemoveEmptyEntries)[1]);
    }
}
