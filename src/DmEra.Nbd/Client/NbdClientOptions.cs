using DmEra.Devices.Threads;

namespace DmEra.Nbd.Client;

/// <summary>How a client deals with its server.</summary>
public sealed record NbdClientOptions
{
    /// <summary>Connections, where the server says that several see the same.</summary>
    public int Connections { get; init; } = 4;

    /// <summary>How long a request waits for a server that went away.</summary>
    public TimeSpan RetryTime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Bytes of writes that the server has, but has not made stable, and that are kept to be sent again to one that
    /// comes back. With more than these, a flush is sent.</summary>
    public int UnstableBytes { get; init; } = 64 << 20;

    /// <summary>Is told, a line each, when the server goes away and when it is back. By any thread.</summary>
    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>Where the client's threads come from, and where they wait.</summary>
    internal IThreads Threads { get; init; } = SystemThreads.Instance;
}
