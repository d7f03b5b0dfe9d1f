using DmEra.Control;
using DmEra.Kernel;
using DmEra.Nbd;
using DmEra.Serving.Sockets;
using DmEra.Target.Tracking;

namespace DmEra.Cli;

/// <summary>Finds a device in use by what the user calls it.</summary>
internal static class DeviceLookup
{
    /// <summary>Opens a device: a name from <c>era ls</c>, the path of a control socket, or a device of the kernel's dm-era.</summary>
    /// <param name="device">As the user calls it.</param>
    /// <param name="error">Is told what about an era was taken on trust.</param>
    /// <param name="stop">Ends requests.</param>
    /// <exception cref="CommandException">There is no such device.</exception>
    /// <exception cref="IOException">It cannot be reached.</exception>
    public static ILiveDevice Open(string device, TextWriter error, CancellationToken stop = default) =>
        TryOpen(device, error, stop) ?? throw Unknown(device);

    /// <summary>As <see cref="Open"/>; null when there is no such device.</summary>
    public static ILiveDevice? TryOpen(string device, TextWriter error, CancellationToken stop = default) =>
        TryConnect(device) is ControlClient client ? ControlledDevice.Open(client, device, stop)
        : File.Exists(device) ? KernelDevice.TryOpen(device, line => error.WriteLine($"era: {line}"))
        : null;

    /// <summary>Opens the control plane of a device that a server of ours runs.</summary>
    /// <exception cref="CommandException">There is no such device.</exception>
    public static ControlClient Connect(string device) => TryConnect(device) ?? throw Unknown(device);

    private static ControlClient? TryConnect(string device)
    {
        if (RuntimeFolder.FromEnvironment().FindControlSocket(device) is string named) return new ControlClient(named);
        return ListeningSocket.IsSocket(device) ? new ControlClient(device) : null;
    }

    private static CommandException Unknown(string device) =>
        new($"{device}: no such device is being served; 'era ls' lists those that are");
}
