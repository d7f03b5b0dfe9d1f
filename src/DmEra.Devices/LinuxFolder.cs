using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>
/// The system calls that take an open folder and a name in it, and follow no link. Every method throws a
/// <see cref="DeviceException"/> that names the name; calls interrupted by a signal are repeated.
/// </summary>
internal static unsafe partial class LinuxFolder
{
    private const int Unnamed = 0x400000;       // O_TMPFILE, together with O_DIRECTORY
    private const int NoFollow = 0x100;         // AT_SYMLINK_NOFOLLOW
    private const int NameOffset = 19;          // of d_name in struct dirent

    // A pipe is not waited for, and a terminal does not become this program's.
    private static readonly int OpenSafely = LinuxFile.OpenNoFollow | LinuxFile.OpenNonBlocking | LinuxFile.OpenNoTerminal;

    public static SafeFileHandle OpenFolder(SafeFileHandle folder, string name) =>
        Open(folder, name, LinuxFile.OpenReadOnly | LinuxFile.OpenFolder | LinuxFile.OpenNoFollow, 0);

    public static SafeFileHandle OpenFile(SafeFileHandle folder, string name, int access) => Open(folder, name, access | OpenSafely, 0);

    public static SafeFileHandle CreateFile(SafeFileHandle folder, string name, UnixFileMode mode) =>
        Open(folder, name, LinuxFile.OpenReadWrite | LinuxFile.OpenNew | OpenSafely, (int)mode);

    public static SafeFileHandle CreateUnnamed(SafeFileHandle folder, UnixFileMode mode) =>
        Open(folder, ".", LinuxFile.OpenReadWrite | LinuxFile.OpenFolder | Unnamed, (int)mode);

    public static void MakeFolder(SafeFileHandle folder, string name, UnixFileMode mode) =>
        Call(name, folder, name, (int)mode, static (folder, name, mode) => mkdirat(folder, name, mode));

    public static void Rename(SafeFileHandle folder, string name, SafeFileHandle target, string newName)
    {
        while (renameat(folder, name, target, newName) < 0) ThrowUnlessInterrupted(newName);
    }

    public static void Link(SafeFileHandle folder, string name, SafeFileHandle target, string newName)
    {
        while (linkat(folder, name, target, newName, 0) < 0) ThrowUnlessInterrupted(newName);
    }

    public static void Unlink(SafeFileHandle folder, string name) =>
        Call(name, folder, name, 0, static (folder, name, flags) => unlinkat(folder, name, flags));

    public static void ChangeMode(SafeFileHandle file, UnixFileMode mode)
    {
        while (fchmod(file, (int)mode) < 0) ThrowUnlessInterrupted("mode");
    }

    /// <summary>What a name stands for, links not followed; null when it is gone.</summary>
    public static LinuxFile.Statx? Status(SafeFileHandle folder, string name)
    {
        if (LinuxFile.Status(folder, name, NoFollow, out LinuxFile.Statx status) == 0) return status;
        int errno = Marshal.GetLastPInvokeError();
        return errno == Errno.ENOENT ? null : throw new DeviceException(name, errno);
    }

    /// <summary>The names in a folder, but for itself and its parent.</summary>
    public static IReadOnlyList<string> Names(SafeFileHandle folder)
    {
        // The stream owns its descriptor, and begins where that stands: so it gets one of its own.
        SafeFileHandle own = OpenFolder(folder, ".");
        nint stream = fdopendir((int)own.DangerousGetHandle());
        if (stream == 0)
        {
            own.Dispose();
            throw new DeviceException("list", Marshal.GetLastPInvokeError());
        }

        own.SetHandleAsInvalid();
        try
        {
            List<string> names = [];
            while (Next(stream) is string name)
            {
                if (name is not "." and not "..") names.Add(name);
            }

            return names;
        }
        finally
        {
            _ = closedir(stream);
        }
    }

    private static string? Next(nint stream)
    {
        byte* entry = (byte*)readdir(stream);
        if (entry != null) return Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(entry + NameOffset));
        int errno = Marshal.GetLastPInvokeError();
        return errno == 0 ? null : throw new DeviceException("list", errno);
    }

    private static SafeFileHandle Open(SafeFileHandle folder, string name, int flags, int mode)
    {
        while (true)
        {
            int descriptor = openat(folder, name, flags | LinuxFile.OpenCloseOnExec, mode);
            if (descriptor >= 0) return new SafeFileHandle(descriptor, ownsHandle: true);
            ThrowUnlessInterrupted(name);
        }
    }

    private static void Call(string what, SafeFileHandle folder, string name, int argument, Func<SafeFileHandle, string, int, int> call)
    {
        while (call(folder, name, argument) < 0) ThrowUnlessInterrupted(what);
    }

    private static void ThrowUnlessInterrupted(string what)
    {
        int errno = Marshal.GetLastPInvokeError();
        if (errno != Errno.EINTR) throw new DeviceException(what, errno);
    }

#pragma warning disable IDE1006, SA1300 // The names are the C library's.
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int openat(SafeFileHandle folder, string name, int flags, int mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdirat(SafeFileHandle folder, string name, int mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat(SafeFileHandle folder, string name, SafeFileHandle target, string newName);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int linkat(SafeFileHandle folder, string name, SafeFileHandle target, string newName, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlinkat(SafeFileHandle folder, string name, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchmod(SafeFileHandle file, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint fdopendir(int folder);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint readdir(nint stream);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int closedir(nint stream);
#pragma warning restore IDE1006, SA1300
}
