using DmEra.Backup.Sources;
using DmEra.Cli.Offline;
using DmEra.Control;
using DmEra.Devices;

namespace DmEra.Cli.Backups;

/// <summary>Finds what a user means by the device to take an image of.</summary>
internal static class BackupSource
{
    /// <summary>Opens a device that is being served, one of the kernel's dm-era, or the two halves of one at rest.</summary>
    /// <param name="device">As the user calls it.</param>
    /// <param name="metadata">Where its eras are, if he says so: then it is at rest.</param>
    /// <param name="hooks">Run around the moment that the image is of; for a device in use only.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="CommandException">It is none of these, or it is in use and cannot be found by this name.</exception>
    public static IBackupSource Open(string device, string? metadata, LiveHooks hooks, CancellationToken stop)
    {
        if (metadata is null && DeviceLookup.TryConnect(device) is ControlClient client) return Served(device, client, hooks, stop);
        if (metadata is null && File.Exists(device) && KernelDevice.TryOpen(device) is KernelDevice mapped)
            return new LiveSource(mapped, hooks with { Stop = stop }, TimeProvider.System);
        if (hooks != LiveHooks.None)
            throw new CommandException($"{device}: not in use by a name that is known here: there is nothing to run commands around");
        try
        {
            return StoppedDevice.Open(metadata ?? DefaultMetadata.Of(device), device);
        }
        catch (DeviceException fault) when (fault.Errno == Errno.EBUSY)
        {
            throw new CommandException($"{device}: in use by another program; if it is being served, call it by its name in 'era ls'");
        }
    }

    private static LiveSource Served(string device, ControlClient client, LiveHooks hooks, CancellationToken stop)
    {
        ServedOrigin? served = null;
        try
        {
            served = ServedOrigin.Open(client, stop);
            using FileBlockDevice? sameName = FileStatus.TryOf(device) is { IsRegular: true } ? FileBlockDevice.OpenShared(device) : null;
            if (sameName is not null && !(served.Origin is FileBlockDevice origin && sameName.IsSameAs(origin)))
            {
                throw new CommandException($"{device}: a file here, and the name of a device that serves {served.OriginPath}; "
                    + $"say ./{device}, or the path of the control socket");
            }

            return new LiveSource(served, hooks with { Stop = stop }, TimeProvider.System);
        }
        catch
        {
            if (served is null) client.Dispose();
            else served.Dispose();
            throw;
        }
    }
}
