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

    private static string Beside(string name) => name.StartsWith(DeviceFolder, StringComparison.Ordinal)
        ? Path.Combine(FolderForDevices, Uri.EscapeDataString(name[DeviceFolder.Length..]))
        : name;
}
