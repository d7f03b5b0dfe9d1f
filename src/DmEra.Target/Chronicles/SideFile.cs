using DmEra.Devices;

namespace DmEra.Target.Chronicles;

/// <summary>What is kept beside metadata: <c>METADATA.suffix</c>, or for metadata on a block device
/// <c>/var/lib/era/NAME.suffix</c>, whatever name the metadata is called by.</summary>
public static class SideFile
{
    private const string DeviceFolder = "/dev/";
    private const string FolderForDevices = "/var/lib/era";

    /// <summary>The path of a file beside metadata.</summary>
    /// <param name="metadata">Path of the metadata.</param>
    /// <param name="suffix">What kind of file, with its dot.</param>
    public static string PathFor(string metadata, string suffix)
    {
        string[] paths = [.. DiskNames.Of(metadata).Select(name => Beside(name) + suffix)];
        return paths.FirstOrDefault(File.Exists) ?? paths[^1];
    }

    /// <summary>Opens a file beside metadata, in a folder where others may write as well: no link is followed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="open">Opens a file by its path, of which the last part is its name in the folder.</param>
    /// <returns>null when it is not there.</returns>
    /// <exception cref="DeviceException">It is no file, or cannot be opened.</exception>
    internal static FileBlockDevice? TryOpen(string path, Func<FolderHandle, string, FileBlockDevice> open)
    {
        try
        {
            using FolderHandle folder = FolderHandle.Open(Path.GetDirectoryName(path)!);
            return open(folder, path);
        }
        catch (DeviceException fault) when (fault.Errno is Errno.ENOENT or Errno.ENOTDIR)
        {
            return null;
        }
        catch (DeviceException fault) when (fault.Errno != Errno.EBUSY)
        {
            throw new DeviceException(fault.Errno == Errno.ELOOP ? $"{path}: must be a file, and no link to one" : path, fault.Errno);
        }
    }

    private static string Beside(string name) => name.StartsWith(DeviceFolder, StringComparison.Ordinal)
        ? Path.Combine(FolderForDevices, Uri.EscapeDataString(name[DeviceFolder.Length..]))
        : name;
}
