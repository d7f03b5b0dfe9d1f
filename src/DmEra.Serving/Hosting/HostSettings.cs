using DmEra.Nbd;
using DmEra.Serving.Sockets;

namespace DmEra.Serving.Hosting;

/// <summary>What the devices of one process have in common.</summary>
public sealed record HostSettings
{
    /// <summary>Which NBD clients are let in, and how; the log is the host's.</summary>
    public NbdServerOptions Nbd { get; init; } = new();

    /// <summary>Where NBD clients of devices come in that have no address of their own; empty: every device must have one.</summary>
    public IReadOnlyList<ListenAddress> Listen { get; init; } = [];

    /// <summary>Whether the host is there for one device, and ends with it.</summary>
    public bool IsForOne { get; init; }
}
