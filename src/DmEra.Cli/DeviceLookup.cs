using DmEra.Cli.Serving;
using DmEra.Control;
using DmEra.Devices;
using DmEra.Kernel;
using DmEra.Nbd;
using DmEra.Serving;
using DmEra.Serving.Sockets;
using DmEra.Target.Tracking;

namespace DmEra.Cli;

/// <summary>Finds a device in use by what the user calls it: its name, the path that it serves, or the path of a control socket.</summary>
internal static class DeviceLookup
{
    /// <summary>Opens a device that a server of ours or the kernel's dm-era maps.</summary>
    /// <param name="device">As the user calls it.</param>
    /// <param name="error">Is told what about an era was taken on trust.</param>
    /// <param name="stop">Ends requests.</param>
    /// <exception cref="CommandException">There is no such device.</exception>
    /// <exception cref="IOException">It cannot be reached.</exception>
    public static ILiveDevice Open(string device, TextWriter error, CancellationToken stop = default) =>
        TryOpen(device, error, stop) ?? throw Unknown(device);

    /// <summary>As <see cref="Open"/>, for what a person only looks at: the beginning of a name will do at a terminal, and who was meant is told.
    /// What is changed or relied upon is named in full, as another device may have the same beginning tomorrow.</summary>
    /// <exception cref="CommandException">There is no such device, or there are several.</exception>
    /// <exception cref="IOException">It cannot be reached.</exception>
    public static ILiveDevice OpenToLookAt(string device, TextWriter error)
    {
        if (TryOpen(device, error) is ILiveDevice exact) return exact;
        if (Console.IsInputRedirected || Console.IsOutputRedirected) throw Unknown(device);
        DeviceDescription[] found = [.. FindServed().Where(other => other.Name.StartsWith(device, StringComparison.Ordinal))];
        DeviceDescription only = Only(device, found) ?? throw Unknown(device);
        error.WriteLine($"era: {device}: taken for {only.Name}");
        return ControlledDevice.Open(ClientOf(only), name: null, CancellationToken.None);
    }

    /// <summary>As <see cref="Open"/>; null when there is no such device.</summary>
    public static ILiveDevice? TryOpen(string device, TextWriter error, CancellationToken stop = default) =>
        ConnectTo(device) is ControlClient direct ? ControlledDevice.Open(direct, ListeningSocket.IsSocket(device) ? device : null, stop)
        : File.Exists(device) && KernelDevice.TryOpen(device, line => error.WriteLine($"era: {line}")) is KernelDevice mapped ? mapped
        : Search(device) is ControlClient found ? ControlledDevice.Open(found, name: null, stop)
        : null;

    /// <summary>Opens the control plane of a device that a server of ours runs.</summary>
    /// <exception cref="CommandException">There is no such device.</exception>
    public static ControlClient Connect(string device) => ConnectTo(device) ?? Search(device) ?? throw Unknown(device);

    /// <summary>Opens the control plane of a process that serves many devices.</summary>
    /// <param name="socket">Path of its control socket; null: the default.</param>
    /// <exception cref="CommandException">There is none.</exception>
    public static ControlClient ConnectToDaemon(string? socket)
    {
        string path = socket ?? RuntimeFolder.FromEnvironment().ControlSocket(DaemonSession.SocketName);
        return ListeningSocket.IsSocket(path) ? new ControlClient(path)
            : throw new CommandException($"{path}: no such control socket; 'era serve --config' starts a process for many devices");
    }

    private static ControlClient? ConnectTo(string device)
    {
        if (RuntimeFolder.FromEnvironment().FindControlSocket(device) is string named) return new ControlClient(named);
        return ListeningSocket.IsSocket(device) ? new ControlClient(device) : null;
    }

    private static ControlClient? Search(string device)
    {
        IReadOnlyList<DeviceDescription> served = FindServed();
        DeviceDescription? found = Only(device, [.. served.Where(other => string.Equals(other.Name, device, StringComparison.Ordinal))])
            ?? Only(device, [.. served.Where(other => Serves(other, device))]);
        return found is null ? null : ClientOf(found);
    }

    private static DeviceDescription? Only(string device, DeviceDescription[] found) => found switch
    {
        [] => null,
        [DeviceDescription only] => only,
        _ => throw new CommandException($"{device}: may be any of {string.Join(", ", found.Select(other => $"{other.Name} ({other.Origin})"))}"),
    };

    private static ControlClient ClientOf(DeviceDescription device) => new(device.ControlSocket!, device.Name);

    private static bool Serves(DeviceDescription device, string path) =>
        string.Equals(device.Origin, path, StringComparison.Ordinal)
        || (FileStatus.TryOf(path) is { } status && status.Identity == FileStatus.TryOf(device.Origin)?.Identity);

    // One that is dead serves nothing; one that is slow may serve just what was meant.
    private static IReadOnlyList<DeviceDescription> FindServed() => ServedDevices.Find(static fault =>
    {
        if (fault is TimeoutException) throw new CommandException(fault.Message);
    });

    private static CommandException Unknown(string device)
    {
        string hint = NearestWord.Hint(device, FindServed().Select(other => other.Name));
        return new CommandException($"{device}: no such device is being served; 'era ls' lists those that are{hint}");
    }
}
