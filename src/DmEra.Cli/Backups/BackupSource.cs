using DmEra.Backup.Sources;
using DmEra.Devices;
using DmEra.Target.Metadata;
using DmEra.Target.Tracking;

namespace DmEra.Cli.Backups;

/// <summary>Finds what a user means by the device to take an image of.</summary>
internal static class BackupSource
{
    /// <summary>Opens a device in use, or the two halves of one at rest.</summary>
    /// <param name="device">As the user calls it.</param>
    /// <param name="metadata">Where its eras are, if he says so: then it is at rest.</param>
    /// <param name="hooks">Run around the moment that the image is of; for a device in use only.</param>
    /// <param name="error">Is told what about an era was taken on trust.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="CommandException">It is none of these, or it is in use and cannot be found by this name.</exception>
    public static IBackupSource Open(string device, string? metadata, LiveHooks hooks, TextWriter error, CancellationToken stop)
    {
        if (metadata is null && DeviceLookup.TryOpen(device, error, stop) is ILiveDevice live) return InUse(device, live, hooks with { Stop = stop });
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

    private static LiveSource InUse(string device, ILiveDevice live, LiveHooks hooks)
    {
        try
        {
            live.RequireActive();
            using FileBlockDevice? sameName = FileStatus.TryOf(device) is { IsRegular: true } ? FileBlockDevice.OpenShared(device) : null;
            if (sameName is not null && !(live.Origin is FileBlockDevice origin && sameName.IsSameAs(origin)))
            {
                throw new CommandException($"{device}: a file here, and the name of a device that serves {live.OriginPath}; "
                    + $"say ./{device}, or the path of the control socket");
            }

            return new LiveSource(live, hooks, TimeProvider.System);
        }
        catch
        {
            live.Dispose();
            throw;
        }
    }
}
