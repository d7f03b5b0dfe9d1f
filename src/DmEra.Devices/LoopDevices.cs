namespace DmEra.Devices;

/// <summary>
/// The kernel's loop devices: block devices that are files. The lock that keeps two programs from writing one disk is on the file or
/// on the device, and neither knows of the other; so here is asked which belong together.
/// </summary>
internal static class LoopDevices
{
    /// <summary>The file behind a block device; null when it is no loop device, nor a partition of one.</summary>
    /// <param name="device">The device.</param>
    /// <param name="isWhole">False for a partition.</param>
    /// <param name="system">Where the kernel tells of its devices.</param>
    public static string? FileBehind(FileStatus device, out bool isWhole, string system = "/sys")
    {
        string node = $"{system}/dev/block/{device.Identity.Major}:{device.Identity.Minor}";
        string? file = KernelAttribute.TryRead($"{node}/loop/backing_file");
        isWhole = file is not null;
        // A partition lies in the folder of its disk: the one of where the link leads, not of the link.
        return file ?? (new FileInfo(node).LinkTarget is string target
            ? KernelAttribute.TryRead(Path.Combine(system, "dev/block", Path.GetDirectoryName(target)!, "loop/backing_file"))
            : null);
    }

    /// <summary>A loop device through which a file can be written; null when there is none.</summary>
    /// <param name="file">The file.</param>
    /// <param name="system">Where the kernel tells of its devices.</param>
    public static string? WriterOf(FileStatus file, string system = "/sys")
    {
        if (!Directory.Exists($"{system}/block")) return null;
        foreach (string node in Directory.EnumerateDirectories($"{system}/block", "loop*"))
        {
            if (KernelAttribute.TryRead($"{node}/loop/backing_file") is string path && KernelAttribute.TryRead($"{node}/ro") is not "1"
                && IsSame(path, file))
            {
                return $"/dev/{Path.GetFileName(node)}";
            }
        }

        return null;
    }

    // What the kernel tells is a path of who set it up, perhaps of another namespace.
    private static bool IsSame(string path, FileStatus file)
    {
        try { return FileStatus.TryOf(path)?.Identity == file.Identity; }
        catch (DeviceException) { return false; }
    }
}
