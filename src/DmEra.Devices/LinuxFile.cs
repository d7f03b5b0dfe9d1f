using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>
/// The system calls on files that the base class library lacks. Every method returns 0 (or
/// the value asked for) or throws a <see cref="DeviceException"/>; calls interrupted by a signal are repeated.
/// </summary>
internal static partial class LinuxFile
{
    public const int OpenReadOnly = 0;
    public const int OpenWriteOnly = 1;
    public const int OpenReadWrite = 2;
    public const int OpenPathOnly = 0x200000;   // no access to the content: a pipe is not waited for
    public const int OpenNew = 0x40 | 0x80;     // O_CREAT | O_EXCL
    public const int OpenNoTerminal = 0x100;
    public const int OpenNonBlocking = 0x800;
    public const int OpenCloseOnExec = 0x80000;
    public const int OpenExclusive = 0x80;      // on a block node: refuse one that is mounted or mapped
    public const int SeekData = 3;
    public const int SeekHole = 4;

    private const int SeekEnd = 2;
    private const int LockExclusiveNonBlocking = 2 | 4;
    private const int LockSharedNonBlocking = 1 | 4;
    private const int Unlock = 8;
    private const int AllocateKeepSize = 1;
    private const int AllocatePunchHole = 2;
    private const int AllocateZeroRange = 0x10;
    private const int NoWait = 8;               // RWF_NOWAIT
    private const uint SyncRangeWrite = 2;
    private const int AdviseRandom = 1;
    private const int AdviseWillNeed = 3;
    private const int AdviseDontNeed = 4;
    private const uint BlkDiscard = 0x1277;
    private const uint BlkReadOnlyGet = 0x125E;
    private const uint FileClone = 0x40049409;  // FICLONE
    private const int TypeMask = 0xF000;
    private const int ModeMask = 0xFFF;
    private const short PollOut = 4;
    private const int GetDescriptorFlags = 1;
    private const int StatxBasic = 0x7ff;
    private const int AtEmptyPath = 0x1000;

    // Of the flags used here these two are not the same everywhere.
    public static readonly int OpenFolder = IsArm ? 0x4000 : 0x10000;
    public static readonly int OpenNoFollow = IsArm ? 0x8000 : 0x20000;

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    public static SafeFileHandle Open(string path, int flags)
    {
        while (true)
        {
            int descriptor = open(path, flags | OpenCloseOnExec);
            if (descriptor >= 0) return new SafeFileHandle(descriptor, ownsHandle: true);
            int errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.EINTR) throw new DeviceException(path, errno);
        }
    }

    /// <summary>Takes the advisory lock of the open file; false when another holder prevents it.</summary>
    public static bool TryLock(SafeFileHandle file, bool exclusive)
    {
        while (flock(file, exclusive ? LockExclusiveNonBlocking : LockSharedNonBlocking) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno == Errno.EAGAIN) return false;
            if (errno != Errno.EINTR) throw new DeviceException("cannot lock", errno);
        }

        return true;
    }

    /// <summary>Gives the advisory lock of the open file back.</summary>
    public static void ReleaseLock(SafeFileHandle file) => _ = flock(file, Unlock);

    /// <summary>Size in bytes; <c>fstat</c> would give 0 for a block node.</summary>
    public static long Length(SafeFileHandle file) => Seek(file, 0, SeekEnd);

    /// <summary>Next data or hole at or after <paramref name="offset"/>; -1 when there is none.</summary>
    public static long Next(SafeFileHandle file, long offset, int dataOrHole)
    {
        long found = lseek(file, offset, dataOrHole);
        if (found >= 0) return found;
        int errno = Marshal.GetLastPInvokeError();
        return errno == Errno.ENXIO ? -1 : throw new DeviceException("lseek", errno);
    }

    public static FileStatus Status(SafeFileHandle file)
    {
        if (statx(file, "", AtEmptyPath, StatxBasic, out Statx status) < 0) throw Failure("statx");
        FileKind kind = (FileKind)(status.Mode & TypeMask);
        return new FileStatus(
            kind,
            (UnixFileMode)(status.Mode & ModeMask),
            status.Owner,
            status.Group,
            (status.DevMajor, status.DevMinor),
            kind == FileKind.BlockDevice
                ? (status.RdevMajor, status.RdevMinor, 0)
                : (status.DevMajor, status.DevMinor, status.Inode),
            status.LinkCount,
            (status.ModifiedSeconds * 1_000_000_000) + status.ModifiedNanoseconds);
    }

    /// <summary>Fills in what is known of a name in a folder.</summary>
    /// <returns>0, or -1 with the last error set.</returns>
    public static int Status(SafeFileHandle folder, string name, int flags, out Statx status) =>
        statx(folder, name, flags, StatxBasic, out status);

    /// <summary>The flags of a descriptor: FD_CLOEXEC or nothing; -1 when it is not open.</summary>
    public static int DescriptorFlags(int descriptor) => fcntl(descriptor, GetDescriptorFlags);

    /// <summary>Gives the open file to a user and a group; false when this process may not.</summary>
    public static bool TryChangeOwner(SafeFileHandle file, uint owner, uint group) => fchown(file, owner, group) == 0;

    /// <summary>Waits until something can be written without waiting, or would fail.</summary>
    /// <returns>false when the time has run out.</returns>
    public static unsafe bool AwaitRoom(SafeFileHandle file, int timeoutMs)
    {
        PollDescriptor wanted = new() { Descriptor = (int)file.DangerousGetHandle(), Events = PollOut };
        return poll(&wanted, 1, timeoutMs) > 0;
    }

    public static void FlushData(SafeFileHandle file)
    {
        while (fdatasync(file) < 0) ThrowUnlessInterrupted("fdatasync");
    }

    /// <summary>Starts writing to the disk. A fault comes out when the file is flushed.</summary>
    public static void BeginFlush(SafeFileHandle file, long offset, long length) =>
        _ = sync_file_range(file, offset, length, SyncRangeWrite);

    public static void PunchHole(SafeFileHandle file, long offset, long length) =>
        Allocate(file, AllocatePunchHole | AllocateKeepSize, offset, length);

    public static void ZeroRange(SafeFileHandle file, long offset, long length) =>
        Allocate(file, AllocateZeroRange | AllocateKeepSize, offset, length);

    /// <summary>Reserves space, so that writes to the range cannot run out of it.</summary>
    public static void Reserve(SafeFileHandle file, long offset, long length) => Allocate(file, AllocateKeepSize, offset, length);

    /// <summary>Makes a file longer, without any space for it, or shorter.</summary>
    public static void SetLength(SafeFileHandle file, long length)
    {
        while (ftruncate(file, length) < 0) ThrowUnlessInterrupted("ftruncate");
    }

    public static unsafe void DiscardBlocks(SafeFileHandle device, ulong offset, ulong length)
    {
        ulong* range = stackalloc ulong[] { offset, length };
        while (ioctl(device, BlkDiscard, range) < 0) ThrowUnlessInterrupted("ioctl");
    }

    /// <summary>Whether a block device is set read-only.</summary>
    public static unsafe bool IsSetReadOnly(SafeFileHandle device)
    {
        int isReadOnly = 0;
        return ioctl(device, BlkReadOnlyGet, &isReadOnly) == 0 && isReadOnly != 0;
    }

    /// <summary>Starts reading ahead. Whether it does is nothing to fail for.</summary>
    public static void WillNeed(SafeFileHandle file, long offset, long length) =>
        _ = posix_fadvise(file, offset, length, AdviseWillNeed);

    /// <summary>Has the kernel read what is asked for, and nothing ahead of it.</summary>
    public static void AccessAtRandom(SafeFileHandle file) => _ = posix_fadvise(file, 0, 0, AdviseRandom);

    /// <summary>Drops what the page cache has of a range, so that the next read asks the disk; of length 0: up to the
    /// end.</summary>
    public static void DontNeed(SafeFileHandle file, long offset, long length) =>
        _ = posix_fadvise(file, offset, length, AdviseDontNeed);

    /// <summary>Makes a file share the content of another one, as it is at this moment; false when the file system
    /// cannot do that.</summary>
    public static unsafe bool TryClone(SafeFileHandle source, SafeFileHandle target)
    {
        bool isHeld = false;
        try
        {
            source.DangerousAddRef(ref isHeld);
            return ioctl(target, FileClone, (void*)source.DangerousGetHandle()) == 0;
        }
        finally
        {
            if (isHeld) source.DangerousRelease();
        }
    }

    /// <summary>Reads; the count may be short, and is 0 at the end of the file.</summary>
    public static unsafe int Read(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        fixed (byte* start = buffer)
        {
            nint count;
            while ((count = pread(file, start, (nuint)buffer.Length, offset)) < 0) ThrowUnlessInterrupted("pread");
            return (int)count;
        }
    }

    /// <summary>Writes; the count may be short.</summary>
    public static unsafe int Write(SafeFileHandle file, ReadOnlySpan<byte> data, long offset)
    {
        fixed (byte* start = data)
        {
            nint count;
            while ((count = pwrite(file, start, (nuint)data.Length, offset)) < 0) ThrowUnlessInterrupted("pwrite");
            return (int)count;
        }
    }

    /// <summary>Writes where the file is, as to a pipe; the count may be short.</summary>
    public static unsafe int Append(SafeFileHandle file, ReadOnlySpan<byte> data)
    {
        fixed (byte* start = data)
        {
            nint count;
            while ((count = write(file, start, (nuint)data.Length)) < 0) ThrowUnlessInterrupted("write");
            return (int)count;
        }
    }

    /// <summary>Reads what the page cache has. Returns the count of bytes, or -1 when the disk would be needed.</summary>
    public static unsafe long ReadNoWait(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        fixed (byte* start = buffer)
        {
            IoVector vector = new() { Start = start, Length = (nuint)buffer.Length };
            long count = preadv2(file, &vector, 1, offset, NoWait);
            if (count >= 0) return count;
            int errno = Marshal.GetLastPInvokeError();
            return errno is Errno.EAGAIN or Errno.EINTR or Errno.ENOTSUP
                ? -1
                : throw new DeviceException("preadv2", errno);
        }
    }

    private static long Seek(SafeFileHandle file, long offset, int whence)
    {
        long position = lseek(file, offset, whence);
        return position >= 0 ? position : throw Failure("lseek");
    }

    private static void Allocate(SafeFileHandle file, int mode, long offset, long length)
    {
        while (fallocate(file, mode, offset, length) < 0) ThrowUnlessInterrupted("fallocate");
    }

    private static void ThrowUnlessInterrupted(string call)
    {
        DeviceException failure = Failure(call);
        if (failure.Errno != Errno.EINTR) throw failure;
    }

    private static DeviceException Failure(string call) => new(call, Marshal.GetLastPInvokeError());

#pragma warning disable IDE1006, SA1300 // The names are the C library's.
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle file, int operation);

    [LibraryImport("libc", SetLastError = true)]
    private static partial long lseek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fdatasync(SafeFileHandle file);

    [LibraryImport("libc")]
    private static partial int sync_file_range(SafeFileHandle file, long offset, long length, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fallocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ftruncate(SafeFileHandle file, long length);

    [LibraryImport("libc")]
    private static partial int posix_fadvise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int ioctl(SafeFileHandle file, nuint request, void* argument);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint pread(SafeFileHandle file, byte* buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint pwrite(SafeFileHandle file, byte* data, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint write(SafeFileHandle file, byte* data, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint preadv2(
        SafeFileHandle file, IoVector* vectors, int count, long offset, int flags);

    [LibraryImport("libc")]
    private static unsafe partial int poll(PollDescriptor* descriptors, nuint count, int timeoutMs);

    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command);

    [LibraryImport("libc")]
    private static partial int fchown(SafeFileHandle file, uint owner, uint group);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(SafeFileHandle file, string path, int flags, uint mask, out Statx status);
#pragma warning restore IDE1006, SA1300

    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct IoVector
    {
        public byte* Start;
        public nuint Length;
    }

    /// <summary>struct pollfd of poll.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Found;
    }

    /// <summary>struct statx of linux/stat.h: 256 bytes; the fields behind the ones used are left unnamed.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct Statx
    {
        [FieldOffset(16)] public uint LinkCount;
        [FieldOffset(20)] public uint Owner;
        [FieldOffset(24)] public uint Group;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Inode;
        [FieldOffset(40)] public ulong Size;
        [FieldOffset(112)] public long ModifiedSeconds;
        [FieldOffset(120)] public uint ModifiedNanoseconds;
        [FieldOffset(128)] public uint RdevMajor;
        [FieldOffset(132)] public uint RdevMinor;
        [FieldOffset(136)] public uint DevMajor;
        [FieldOffset(140)] public uint DevMinor;

        public readonly bool IsRegular => (FileKind)(Mode & TypeMask) == FileKind.Regular;

        public readonly bool IsFolder => (FileKind)(Mode & TypeMask) == FileKind.Folder;

        public readonly DateTimeOffset Modified => DateTimeOffset.FromUnixTimeSeconds(ModifiedSeconds)
            .AddTicks(ModifiedNanoseconds / TimeSpan.NanosecondsPerTick);
    }
}
