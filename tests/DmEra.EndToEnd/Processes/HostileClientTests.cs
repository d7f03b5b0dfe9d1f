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

    private static long Status(EraServer server, string field)
    {
        string line = File.ReadLines($"/proc/{server.ProcessId}/status")
            .Single(line => line.StartsWith($"{field}:", StringComparison.Ordinal));
        return long.Parse(line.Split([':', '\t', ' '], StringSplitOptions.RemoveEmptyEntries)[1]);
    }
}
