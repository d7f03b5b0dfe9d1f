using DmEra.Nbd;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;

namespace DmEra.Serving.Configuration;

/// <summary>The devices of one process, and how they are reached.</summary>
/// <param name="Control">Path of the control socket; null: the default.</param>
/// <param name="Listen">Where NBD clients of all devices come that have no address of their own; empty: the default.</param>
/// <param name="Nbd">Which NBD clients are let in, and how.</param>
/// <param name="Devices">The devices, in order of the files.</param>
public sealed record HostConfiguration(
    string? Control, IReadOnlyList<ListenAddress> Listen, NbdServerOptions Nbd, IReadOnlyList<DeviceSettings> Devices)
{
    /// <summary>Reads a file, or the <c>*.toml</c> files of a folder in order of their names.</summary>
    /// <exception cref="ConfigurationException">Something is wrong with it.</exception>
    public static HostConfiguration Read(string path) => new ConfigurationReader().Read(path);
}
