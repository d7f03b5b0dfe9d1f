using System.Net;
using DmEra.Devices.Threads;

namespace DmEra.Nbd;

/// <summary>Limits and collaborators of a server.</summary>
public sealed record NbdServerOptions
{
    private static readonly IPNetwork[] LoopbackNetworks = [IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("::1/128")];

    /// <summary>Further connections are closed at once.</summary>
    public int MaxConnections { get; init; } = 100;

    /// <summary>How long a client may take to choose an export.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long <see cref="NbdServer.Stop"/> waits for requests under way and for clients to take their
    /// replies.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Null to do without TLS.</summary>
    public NbdTls? Tls { get; init; }

    /// <summary>Where clients over TCP may come from; by default from this machine only.</summary>
    public IReadOnlyList<IPNetwork> AllowedNetworks { get; init; } = LoopbackNetworks;

    /// <summary>Lets clients of other machines do without TLS.</summary>
    public bool AllowsPlaintextFromAfar { get; init; }

    /// <summary>Requests that wait for a device at the same time.</summary>
    internal int BusyWorkers { get; init; } = NbdLimits.BusyWorkers;

    /// <summary>Memory for requests of all clients, beyond what each is sure of.</summary>
    internal long SharedBytes { get; init; } = NbdLimits.SharedBytes;

    /// <summary>Where to report.</summary>
    public INbdLog Log { get; init; } = new SilentLog();

    /// <summary>Where the server's threads come from, where they wait, and the clock.</summary>
    internal IThreads Threads { get; init; } = SystemThreads.Instance;

    internal bool Allows(IPAddress address)
    {
        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return AllowedNetworks.Any(network => network.Contains(plain));
    }

    /// <summary>Whether clients of other machines are let in that neither need TLS nor have leave to do without; a server
    /// refuses to start so.</summary>
    public bool IsOpenInPlaintext =>
        !AllowsPlaintextFromAfar
        && Tls is not { Mode: NbdTlsMode.Require }
        && !AllowedNetworks.All(network => IPAddress.IsLoopback(network.BaseAddress));
}
