using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

// Opening files and block nodes, and keeping others out.
public sealed partial class FileBlockDevice
{
    /// <summary>Opens for reading and writing and locks out every other opener that asks for the lock, as all of this program do. QEMU
    /// asks for one of another kind, and for a file that is mounted somewhere the kernel asks for none.</summary>
    /// <exception cref="DeviceException">Missing, not a file or block node, not permitted, or EBUSY: in use.</exception>
    public static FileBlockDevice Open(string path) => Open(path, writable: true);

    /// <summary>Makes a file for its owner alone, which must not be there, and locks out every other opener. It is never
    /// opened by its name: nobody can put another file in its place.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="path">Its path; the last part of it is its name in the folder.</param>
    /// <exception cref="DeviceException">It cannot be made.</exception>
    public static FileBlockDevice CreateNew(FolderHandle folder, string path)
    {
        SafeFileHandle file = folder.CreateFile(System.IO.Path.GetFileName(path), DurableFile.OwnerOnly);
        LinuxFile.TryLock(file, exclusive: true);
        return new FileBlockDevice(path, file, LinuxFile.Status(file), writable: true);
    }

    /// <summary>As <see cref="Open(string)"/>, a file in a folder; no link is followed.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="path">Its path; the last part of it is its name in the folder.</param>
    /// <exception cref="DeviceException">ELOOP: it is no file; or as for <see cref="Open(string)"/>.</exception>
    public static FileBlockDevice OpenEntry(FolderHandle folder, string path)
    {
        SafeFileHandle file = folder.OpenFileForWriting(System.IO.Path.GetFileName(path));
        if (LinuxFile.TryLock(file, exclusive: true)) return new FileBlockDevice(path, file, LinuxFile.Status(file), writable: true);
        file.Dispose();
        throw new DeviceException($"{path}: in use by another program", Errno.EBUSY);
    }

    /// <summary>As <see cref="OpenShared"/>, a file in a folder; no link is followed.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="path">Its path; the last part of it is its name in the folder.</param>
    /// <exception cref="DeviceException">ELOOP: it is no file; or as for <see cref="OpenShared"/>.</exception>
    public static FileBlockDevice OpenEntryShared(FolderHandle folder, string path)
    {
        SafeFileHandle file = folder.OpenFile(System.IO.Path.GetFileName(path));
        return new FileBlockDevice(path, file, LinuxFile.Status(file), writable: false);
    }

    /// <summary>Opens for reading; writers are locked out. Other readers are let in, unless it is a block node: there,
    /// what keeps the kernel from writing keeps them out as well.</summary>
    /// <exception cref="DeviceException">Missing, not a file or block node, not permitted, or EBUSY: in use.</exception>
    public static FileBlockDevice OpenReadOnly(string path) => Open(path, writable: false);

    /// <summary>Opens for reading without any lock, beside a live writer: for metadata snapshots, which a writer
    /// leaves in place.</summary>
    /// <exception cref="DeviceException">Missing, not a file or block node, or not permitted.</exception>
    public static FileBlockDevice OpenShared(string path)
    {
        RequireDisk(path);
        SafeFileHandle file = LinuxFile.Open(path, LinuxFile.OpenReadOnly);
        FileStatus status = LinuxFile.Status(file);
        // A device-mapper target does not write through the page cache: what is there may be old. Nor may the kernel
        // read ahead on its own, only to have it dropped.
        if (status.IsBlockDevice) LinuxFile.AccessAtRandom(file);
        return new FileBlockDevice(path, file, status, writable: false, readsAnew: status.IsBlockDevice);
    }

    /// <summary>Makes a copy of the file that shares its space with it, on file systems that can (XFS, btrfs), as it is at
    /// this moment. The copy never has a name, so that nobody else can open it, and is gone when it is closed.</summary>
    /// <returns>The copy, to be read; null when the file system cannot, or it is no regular file.</returns>
    public FileBlockDevice? TryClone()
    {
        // Of what is open: the path may lead to another file by now.
        if (!IsRegularFile) return null;
        SafeFileHandle? clone = null;
        try
        {
            string path = System.IO.Path.GetFullPath(_path);
            string file = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
            using FolderHandle folder = FolderHandle.Open(System.IO.Path.GetDirectoryName(file)!);
            clone = folder.CreateUnnamed(DurableFile.OwnerOnly);
            if (LinuxFile.TryClone(_file, clone))
                return new FileBlockDevice($"{_path} (clone)", clone, LinuxFile.Status(clone), writable: false);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // As on file systems that cannot.
        }

        clone?.Dispose();
        return null;
    }

    private static FileBlockDevice Open(string path, bool writable)
    {
        RequireDisk(path);
        int flags = writable ? LinuxFile.OpenReadWrite : LinuxFile.OpenReadOnly;
        SafeFileHandle file = LinuxFile.Open(path, flags);
        SafeFileHandle? behind = null;
        try
        {
            FileStatus status = LinuxFile.Status(file);
            if (status.IsBlockDevice)
            {
                // O_EXCL keeps the kernel's own users out: mounts, device-mapper tables, swap.
                file.Dispose();
                file = LinuxFile.Open(path, flags | LinuxFile.OpenExclusive);
                // It can be opened for writing all the same, and then refuses every write.
                if (writable && LinuxFile.IsSetReadOnly(file)) throw new DeviceException(path, Errno.EROFS);
                behind = LockBehind(path, status, writable);
            }
            else if (writable && LoopDevices.WriterOf(status) is string loop)
            {
                throw new DeviceException($"{path}: in use as {loop}", Errno.EBUSY);
            }

            if (!LinuxFile.TryLock(file, exclusive: writable))
                throw new DeviceException($"{path}: in use by another program", Errno.EBUSY);
            return new FileBlockDevice(path, file, status, writable, behind);
        }
        catch
        {
            file.Dispose();
            behind?.Dispose();
            throw;
        }
    }

    // Partitions share the file without sharing a block of it.
    private static SafeFileHandle? LockBehind(string path, FileStatus device, bool writable)
    {
        if (LoopDevices.FileBehind(device, out bool isWhole) is not string name || FileStatus.TryOf(name) is null) return null;
        SafeFileHandle behind = LinuxFile.Open(name, LinuxFile.OpenReadOnly);
        if (LinuxFile.TryLock(behind, exclusive: writable && isWhole)) return behind;
        behind.Dispose();
        throw new DeviceException($"{path}: the file behind it, {name}, is in use by another program", Errno.EBUSY);
    }

    // Before it is opened: whoever opens a pipe waits for somebody at its other end.
    private static void RequireDisk(string path)
    {
        using SafeFileHandle place = LinuxFile.Open(path, LinuxFile.OpenPathOnly);
        FileStatus status = LinuxFile.Status(place);
        if (status.IsRegular || status.IsBlockDevice) return;
        throw new DeviceException($"{path}: neither a regular file nor a block device", Errno.EINVAL);
    }
}
