using DmEra.Backup.Sources;
using DmEra.Control;
using DmEra.Nbd;

namespace DmEra.Cli;

/// <summary>Finds the control socket of a device by what the user calls it.</summary>
internal static class DeviceLookup
{
    /// <summary>Opens the control plane of a device: a name from <c>era ls</c>, or the path of a control
    /// socket.</summary>
    /// <exception cref="CommandException">There is no such device.</exception>
    public static ControlClient Connect(string device) => TryConnect(device)
        ?? throw Unknown(device);

    /// <summary>Opens a device of the kernel's dm-era.</summary>
    /// <exception cref="CommandException">It is something else.</exception>
    public static KernelDevice OpenMapped(string device) =>
        (File.Exists(device) ? KernelDevice.TryOpen(device) : null) ?? throw Unknown(device);

    /// <summary>As <see cref="Connect"/>; null when there is no such device.</summary>
    public static ControlClient? TryConnect(string device)
    {
        if (RuntimeFolder.FromEnvironment().FindControlSocket(device) is string named) return new ControlClient(named);
        return ListeningSocket.IsSocket(device) ? new ControlClient(device) : null;
    }

    private static CommandException Unknown(string device) =>
        new($"{device}: no such device is being served; 'era ls' lists those that are");
}
