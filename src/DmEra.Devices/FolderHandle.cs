using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>
/// A folder that is held open, to be reached into by one name at a time. No symbolic link is followed, and nothing but
/// files and folders is ever opened: whoever else may write there cannot lead this program elsewhere, or have it wait,
/// not even by putting one thing in the place of another in between. Any thread.
/// </summary>
public sealed class FolderHandle : IDisposable
{
    private readonly SafeFileHandle _folder;

    private FolderHandle(SafeFileHandle folder) => _folder = folder;

    /// <summary>Opens a folder by its path, which may lead through links: it is what the user has named.</summary>
    /// <exception cref="DeviceException">It is not there, is no folder, or may not be read.</exception>
    public static FolderHandle Open(string path) => new(LinuxFile.Open(path, LinuxFile.OpenReadOnly | LinuxFile.OpenFolder));

    /// <summary>The permissions of the folder.</summary>
    public UnixFileMode Mode => File.GetUnixFileMode(_folder);

    /// <summary>Opens a folder in it.</summary>
    /// <exception cref="DeviceException">ENOENT, or ENOTDIR: it is something else, a link for instance.</exception>
    public FolderHandle OpenFolder(string name) => new(LinuxFolder.OpenFolder(_folder, name));

    /// <summary>Makes a folder in it, with just these permissions, unless there is something of that name.</summary>
    /// <returns>True when it was made.</returns>
    /// <exception cref="DeviceException">It cannot be made.</exception>
    public bool TryMakeFolder(string name, UnixFileMode mode)
    {
        try
        {
            LinuxFolder.MakeFolder(_folder, name, mode);
            using SafeFileHandle made = LinuxFolder.OpenFolder(_folder, name);
            // The mask of the process is meant for what people make.
            if (File.GetUnixFileMode(made) != mode) LinuxFolder.ChangeMode(made, mode);
            return true;
        }
        catch (DeviceException fault) when (fault.Errno == Errno.EEXIST)
        {
            return false;
        }
    }

    /// <summary>Opens a file in it for reading.</summary>
    /// <exception cref="DeviceException">ENOENT, or ELOOP: it is no file, but a link, a pipe, a device or a folder.</exception>
    public SafeFileHandle OpenFile(string name) => Open(name, LinuxFile.OpenReadOnly);

    /// <summary>Opens a file in it for reading and writing.</summary>
    /// <exception cref="DeviceException">ENOENT, or ELOOP: it is no file, but a link, a pipe, a device or a folder.</exception>
    public SafeFileHandle OpenFileForWriting(string name) => Open(name, LinuxFile.OpenReadWrite);

    /// <summary>Makes a file in it, which must not be there.</summary>
    /// <exception cref="DeviceException">It cannot be made.</exception>
    public SafeFileHandle CreateFile(string name, UnixFileMode mode) => LinuxFolder.CreateFile(_folder, name, mode);

    /// <summary>Makes a file in it that has no name, and is gone when it is closed.</summary>
    /// <exception cref="DeviceException">ENOTSUP or EISDIR: the file system cannot do that.</exception>
    public SafeFileHandle CreateUnnamed(UnixFileMode mode) => LinuxFolder.CreateUnnamed(_folder, mode);

    /// <summary>Gives a file another name, perhaps in another folder, in the place of what had it.</summary>
    /// <exception cref="DeviceException">It is as before.</exception>
    public void Rename(string name, FolderHandle target, string newName) =>
        LinuxFolder.Rename(_folder, name, target._folder, newName);

    /// <summary>As <see cref="Rename"/>, unless something has that name.</summary>
    /// <exception cref="DeviceException">It is as before.</exception>
    public bool TryRename(string name, FolderHandle target, string newName)
    {
        try
        {
            LinuxFolder.Link(_folder, name, target._folder, newName);
        }
        catch (DeviceException fault) when (fault.Errno == Errno.EEXIST)
        {
            // Perhaps by this very call: a network's file system may have made it again after its reply was lost.
            if (!IsSame(name, target, newName)) return false;
        }
        catch (DeviceException fault) when (fault.Errno is Errno.EPERM or Errno.ENOTSUP or Errno.ENOSYS or Errno.EMLINK)
        {
            // A file system without hard links. Two at once are then kept apart by nothing but their callers' locks.
            if (LinuxFolder.Status(target._folder, newName) is not null) return false;
            Rename(name, target, newName);
            return true;
        }

        try
        {
            LinuxFolder.Unlink(_folder, name);
        }
        catch (DeviceException)
        {
            // It has the name that it should have; that it has the old one as well is no failure.
        }

        return true;
    }

    /// <summary>Removes a name in it that is no folder's; a link is removed, and not what it leads to.</summary>
    /// <exception cref="DeviceException">It cannot be removed.</exception>
    public void Remove(string name)
    {
        try { LinuxFolder.Unlink(_folder, name); }
        catch (DeviceException fault) when (fault.Errno == Errno.ENOENT)
        {
            // Gone is gone.
        }
    }

    /// <summary>The files and folders in it, in no particular order; links, pipes and devices are left out.</summary>
    /// <exception cref="DeviceException">It cannot be read.</exception>
    public IEnumerable<FolderEntry> Entries()
    {
        foreach (string name in LinuxFolder.Names(_folder))
        {
            if (LinuxFolder.Status(_folder, name) is { } status && (status.IsRegular || status.IsFolder))
                yield return new FolderEntry(name, status.IsFolder, (long)status.Size, status.Modified);
        }
    }

    /// <summary>Makes the names in it durable: those given and those taken away. Where the file system cannot do that for
    /// a folder, as some network's cannot, nothing better is to be had.</summary>
    /// <exception cref="DeviceException">They may be lost: an I/O error, or no space.</exception>
    public void Flush()
    {
        try { LinuxFile.FlushData(_folder); }
        catch (DeviceException fault) when (!MayBeLost(fault.Errno))
        {
            // As on SMB of older kernels, shared folders of virtual machines, and some of FUSE.
        }
    }

    /// <summary>Whether a flush of a folder that ended so has failed; else its file system has no such thing.</summary>
    internal static bool MayBeLost(int errno) => errno is not (Errno.EINVAL or Errno.ENOTSUP);

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private bool IsSame(string name, FolderHandle other, string otherName) =>
        LinuxFolder.Status(_folder, name) is { } one && LinuxFolder.Status(other._folder, otherName) is { } two
        && (one.DevMajor, one.DevMinor, one.Inode) == (two.DevMajor, two.DevMinor, two.Inode);

    private SafeFileHandle Open(string name, int access)
    {
        // Looked at first, as opening a device may do something to it; and then again, as it may be another thing by now.
        if (LinuxFolder.Status(_folder, name) is { IsRegular: false }) throw NoFile(name);
        SafeFileHandle file = LinuxFolder.OpenFile(_folder, name, access);
        if (LinuxFile.Status(file).IsRegular) return file;
        file.Dispose();
        throw NoFile(name);
    }

    private static DeviceException NoFile(string name) => new(name, Errno.ELOOP);
}

/// <summary>A file or folder in a folder.</summary>
/// <param name="Name">Its name there.</param>
/// <param name="IsFolder">True for a folder.</param>
/// <param name="Length">Bytes of a file.</param>
/// <param name="Written">When it was last written to.</param>
public readonly record struct FolderEntry(string Name, bool IsFolder, long Length, DateTimeOffset Written);
