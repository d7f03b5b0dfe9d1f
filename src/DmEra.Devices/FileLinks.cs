using System.Globalization;

namespace DmEra.Devices;

/// <summary>Where symbolic links lead, and which paths are names of open descriptors.</summary>
public static class FileLinks
{
    private const int MostLinks = 40;   // as the kernel has it

    /// <summary>The path behind all links that stand under a name. There may be nothing under it yet.</summary>
    /// <exception cref="DeviceException">They lead round in a circle.</exception>
    public static string Follow(string path)
    {
        string place = path;
        for (int i = 0; i < MostLinks; i++)
        {
            // What is said to be behind these is no path.
            if (DescriptorOf(place) is not null || new FileInfo(place).LinkTarget is not string target) return place;
            place = Path.Combine(Path.GetDirectoryName(place) ?? "", target);
        }

        throw new DeviceException(path, Errno.ELOOP);
    }

    /// <summary>The open descriptor of this process that a path is a name of, as in <c>/dev/stdout</c> or <c>/dev/fd/3</c>; null for
    /// other paths.</summary>
    public static int? DescriptorOf(string path)
    {
        switch (path)
        {
            case "/dev/stdin": return 0;
            case "/dev/stdout": return 1;
            case "/dev/stderr": return 2;
        }

        string folder = Path.GetDirectoryName(path) ?? "";
        return (folder is "/dev/fd" or "/proc/self/fd" || folder.Equals($"/proc/{Environment.ProcessId}/fd", StringComparison.Ordinal))
            && int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out int descriptor)
            ? descriptor
            : null;
    }
}
