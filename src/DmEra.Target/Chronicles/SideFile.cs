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

    /// <summary>Reads a whole file beside metadata. No link is followed, and no pipe waited for.</summary>
    /// <param name="path">The file.</param>
    /// <param name="longest">Of one that is longer this many bytes and one more are read.</param>
    /// <returns>null when it is not there.</returns>
    /// <exception cref="DeviceException">It is no file, or cannot be read.</exception>
    public static byte[]? TryRead(string path, int longest)
    {
        using FileBlockDevice? file = TryOpen(path, FileBlockDevice.OpenEntryShared);
        if (file is null) return null;
        byte[] content = new byte[Math.Min(file.Length, longest + 1L)];
        file.Read(0, content);
        return content;
    }

    /// <summary>Takes the lock that keeps two programs from changing what is beside metadata at once: a file that is made unless it is
    /// there.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DeviceException">EBUSY: somebody else has it; or it cannot be made, or is no file.</exception>
    public static IDisposable TakeLock(string path)
    {
        using FolderHandle folder = FolderHandle.Open(Path.GetDirectoryName(path)!);
        try { folder.CreateFile(Path.GetFileName(path), DurableFile.OwnerOnly).Dispose(); }
        catch (DeviceException fault) when (fault.Errno == Errno.EEXIST) { /* From before: it stays where it is. */ }
        return TryOpen(path, FileBlockDevice.OpenEntry) ?? throw new DeviceException(path, Errno.ENOENT);
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
