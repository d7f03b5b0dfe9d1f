using DmEra.Devices;
using DmEra.Nbd;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Fuzzing;

/// <summary>Hostile clients by the hundred, on a real server's socket: each is answered or dropped, and a client that
/// behaves does not notice.</summary>
/// <remarks><c>ERA_FUZZ_CLIENTS=100000 ./test HostileClient</c> lets that many come for each seed.</remarks>
public sealed class HostileClientTests : IDisposable
{
    private const int Size = 1 << 20;
    private const int MostHeld = 20;

    private readonly TempFolder _folder = new();
    private readonly TestAuthority _authority = new();

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }

    [Theory, MemberData(nameof(Seeds.For), 4, MemberType = typeof(Seeds))]
    public void Others_do_not_notice_hostile_clients(int seed)
    {
        using HookedDevice device = new(Size);
        NbdServerOptions options = new()
        {
            Tls = NbdTls.FromDirectory(_authority.WriteServer(_folder["server"]), NbdTlsMode.On, verifiesClients: false),
        };
        using TestServer server = new(
            options, new NbdExport("disk", device, new BlockStatusCatalog(new PatternContext(Mutation.Context, 4096, 0, 1))));
        using RawClient client = Connected(server.EndPoint, "disk");
        Random random = new(seed);
        Queue<RawClient> held = [];
        int clients = HostileClient.Count(usual: 300);
        for (int i = 0; i < clients; i++)
        {
            device.IsReady = random.Next(2) == 0;
            if (HostileClient.Attack(server.EndPoint, "disk", random) is { } holding) held.Enqueue(holding);
            if (held.Count > MostHeld) held.Dequeue().Dispose();
            client.ExpectAlive((ulong)i);
        }

        foreach (RawClient holding in held) holding.Dispose();
        server.AwaitConnections(1);
        client.ExpectAlive();
        Assert.Empty(server.Log.Faults);
    }
}
