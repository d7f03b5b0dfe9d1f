using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>What a path leads to.</summary>
public static class FileKind
{
    /// <summary>True for a regular file; false for a pipe, a device or a folder. Opens nothing that could notice.</summary>
    /// <exception cref="DeviceException">There is nothing, or it cannot be reached.</exception>
    public static bool IsRegular(string path)
    {
        using SafeFileHandle file = LinuxFile.Open(path, LinuxFile.OpenPathOnly);
        return LinuxFile.Status(file).IsRegular;
    }
}
