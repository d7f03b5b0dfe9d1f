using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>What a file is and whose, found out without opening it for anything that somebody could notice.</summary>
/// <param name="Kind">What kind of file it is.</param>
/// <param name="Mode">Who may do what with it.</param>
/// <param name="Owner">User id.</param>
/// <param name="Group">Group id.</param>
/// <param name="FileSystem">Major and minor number of the device that the file lies on.</param>
/// <param name="Identity">Equal for two names of one file or one block device.</param>
/// <param name="LinkCount">How many names it has.</param>
/// <param name="ModifiedNanoseconds">When it was last written to.</param>
public readonly record struct FileStatus(
    FileKind Kind,
    UnixFileMode Mode,
    uint Owner,
    uint Group,
    (uint Major, uint Minor) FileSystem,
    (uint Major, uint Minor, ulong Inode) Identity,
    uint LinkCount,
    long ModifiedNanoseconds)
{
    /// <summary>Whether it is a regular file.</summary>
    public bool IsRegular => Kind == FileKind.Regular;

    /// <summary>Whether it is a block device.</summary>
    public bool IsBlockDevice => Kind == FileKind.BlockDevice;

    /// <summary>Of what a path leads to in the end.</summary>
    /// <exception cref="DeviceException">There is nothing, or it cannot be reached.</exception>
    public static FileStatus Of(string path) => Of(path, LinuxFile.OpenPathOnly);

    /// <summary>Of what lies under a path, be it a link.</summary>
    /// <exception cref="DeviceException">There is nothing, or it cannot be reached.</exception>
    public static FileStatus OfEntry(string path) => Of(path, LinuxFile.OpenPathOnly | LinuxFile.OpenNoFollow);

    /// <summary>As <see cref="Of(string)"/>; null when there is nothing.</summary>
    /// <exception cref="DeviceException">It cannot be reached.</exception>
    public static FileStatus? TryOf(string path)
    {
        try { return Of(path); }
        catch (DeviceException fault) when (fault.Errno is Errno.ENOENT or Errno.ENOTDIR) { return null; }
    }

    /// <summary>Of an open file.</summary>
    public static FileStatus Of(SafeFileHandle file) => LinuxFile.Status(file);

    private static FileStatus Of(string path, int flags)
    {
        using SafeFileHandle file = LinuxFile.Open(path, flags);
        return LinuxFile.Status(file);
    }
}
