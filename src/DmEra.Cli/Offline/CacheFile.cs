using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Tools.Caches;

namespace DmEra.Cli.Offline;

/// <summary>Opens metadata of dm-cache that a command line names.</summary>
internal static class CacheFile
{
    /// <summary>Opens it, with nobody writing to it.</summary>
    /// <exception cref="CommandException">It is missing, too small, or that of a cache in use that is not suspended.</exception>
    public static FileBlockDevice Open(string path)
    {
        FileBlockDevice device;
        try
        {
            device = FileBlockDevice.OpenReadOnly(path);
        }
        catch (DeviceException fault) when (fault.Errno == Errno.EBUSY)
        {
            return OpenSuspended(path);
        }

        if (device.Length >= BlockManager.BlockSize) return device;
        device.Dispose();
        throw new CommandException($"{path}: too small; is this metadata of a cache?");
    }

    // A cache has everything on disk when it is suspended, and says so there; it takes that back when it goes on.
    private static FileBlockDevice OpenSuspended(string path)
    {
        FileBlockDevice device = FileBlockDevice.OpenShared(path);
        try
        {
            return MetadataFile.Use(path, () => CacheMetadata.Open(device).IsClean)
                ? device
                : throw new CommandException($"{path}: its cache is active; suspend it first (dmsetup suspend)");
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }
}
