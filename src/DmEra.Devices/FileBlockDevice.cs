using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>
/// A regular file or a block node as a device, through the page cache. Holds a lock on it for as long as it is open,
/// so that two programs never write the same disk: exclusive for a writer, shared among readers.
/// </summary>
public sealed class FileBlockDevice : IBlockDevice, IImmediateAccess, IReadAhead, IWriteBehind, IExtendable, IReservable, IRefreshable
{
    // A buffered write of this size is a copy into the page cache; larger ones may meet the kernel's write-back.
    private const int LargestWriteNow = 128 * 1024;
    private const int ZeroAlignment = 4096;

    private static readonly byte[] Zeroes = new byte[1 << 20];

    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly FileStatus _status;
    private readonly SafeFileHandle? _behind;   // the file that a loop device is, locked as well
    private readonly bool _readsAnew;
    private long _length;

    private FileBlockDevice(
        string path, SafeFileHandle file, FileStatus status, bool writable, SafeFileHandle? behind = null, bool readsAnew = false)
    {
        _behind = behind;
        _path = path;
        _file = file;
        _status = status;
        IsReadOnly = !writable;
        _readsAnew = readsAnew;
        _length = LinuxFile.Length(file);
    }

    /// <inheritdoc/>
    public long Length => Volatile.Read(ref _length);

    /// <summary>True for a regular file, which can be extended; false for a block node.</summary>
    public bool IsRegularFile => _status.IsRegular;

    /// <summary>True when opened by <see cref="OpenReadOnly"/>.</summary>
    public bool IsReadOnly { get; }

    /// <summary>What the file is, and which.</summary>
    public FileStatus Status => _status;

    /// <summary>The path it was opened by.</summary>
    public string Path => _path;

    /// <summary>Major and minor number of a block node; null for a regular file.</summary>
    public (uint Major, uint Minor)? DeviceNumber =>
        _status.IsBlockDevice ? (_status.Identity.Major, _status.Identity.Minor) : null;

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

    /// <summary>The numbers that tell this file or device from all others of this machine, as long as it is there.</summary>
    public string Identity => _status.IsBlockDevice
        ? $"{_status.Identity.Major}:{_status.Identity.Minor}"
        : $"{_status.Identity.Major}:{_status.Identity.Minor}/{_status.Identity.Inode}";

    /// <summary>Leads another program to this very file, whatever becomes of its name, for as long as it is open here.</summary>
    public string DescriptorPath => $"/proc/{Environment.ProcessId}/fd/{_file.DangerousGetHandle()}";

    /// <summary>Gives the lock back, for another program that is to write to it.</summary>
    public void ReleaseLock() => LinuxFile.ReleaseLock(_file);

    /// <summary>Makes a regular file this long: what lies behind is gone.</summary>
    /// <exception cref="IOException">It cannot be done.</exception>
    public void Cut(long length)
    {
        RandomAccess.SetLength(_file, length);
        RefreshLength();
    }

    /// <summary>How it looks at this moment.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    public FileStamp Stamp()
    {
        FileStatus now = LinuxFile.Status(_file);
        // The time of a block node is that of its name.
        return new FileStamp(now.Identity.Inode, LinuxFile.Length(_file), IsRegularFile ? now.ModifiedNanoseconds : 0);
    }

    /// <summary>A loop device through which the file can be written by now; null when there is none that this machine's kernel tells of
    /// by a path that leads to it here. (One made in another container, or by a path that is gone, is not found.)</summary>
    public string? FindLoopWriter() => IsRegularFile ? LoopDevices.WriterOf(_status) : null;

    /// <summary>True when both names lead to the same file or device.</summary>
    public bool IsSameAs(FileBlockDevice other) => _status.Identity == other._status.Identity;

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        if (_readsAnew) LinuxFile.DontNeed(_file, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int count;
            try { count = LinuxFile.Read(_file, buffer, offset); }
            catch (DeviceException fault) { throw At("cannot read", offset, fault); }

            if (count == 0) throw new DeviceException($"{_path}: ends before byte {offset + buffer.Length}", Errno.EIO);
            offset += count;
            buffer = buffer[count..];
        }
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        // A file must not grow by being written to: its length is part of the table.
        if (offset + data.Length > Length) throw new DeviceException($"{_path}: write past the end", Errno.ENOSPC);
        while (!data.IsEmpty)
        {
            int count;
            try { count = LinuxFile.Write(_file, data, offset); }
            catch (DeviceException fault) { throw At("cannot write", offset, fault); }

            offset += count;
            data = data[count..];
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        try { LinuxFile.FlushData(_file); }
        catch (DeviceException fault) when (IsReadOnly && fault.Errno is Errno.EINVAL or Errno.EROFS or Errno.ENOTSUP)
        {
            // File systems that nobody can write to (squashfs, ISO 9660) have no flush, and nothing to be flushed.
        }
        catch (DeviceException fault)
        {
            // Linux takes pages that it could not write for clean. Without them, reads tell what is on the disk.
            LinuxFile.DontNeed(_file, 0, 0);
            throw new DeviceException($"{_path}: cannot flush", fault.Errno);
        }
    }

    /// <inheritdoc/>
    public void BeginFlush(long offset, long length) => LinuxFile.BeginFlush(_file, offset, length);

    /// <inheritdoc/>
    public void Trim(long offset, long length)
    {
        try
        {
            if (IsRegularFile) LinuxFile.PunchHole(_file, offset, length);
            else LinuxFile.DiscardBlocks(_file, (ulong)offset, (ulong)length);
        }
        catch (DeviceException fault) when (IsUnsupported(fault))
        {
            // A hint: a disk or file system without discard, or finer than its granularity, keeps the bytes.
        }
        catch (DeviceException fault)
        {
            throw At("cannot discard", offset, fault);
        }
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        try
        {
            // On a block node fallocate wants whole sectors; what sticks out at the ends is written.
            long head = IsRegularFile ? 0 : Math.Min(-offset & (ZeroAlignment - 1), length);
            long tail = IsRegularFile ? 0 : (length - head) & (ZeroAlignment - 1);
            ZeroAligned(offset + head, length - head - tail, mode);
            ZeroByWriting(offset, head);
            ZeroByWriting(offset + length - tail, tail);
        }
        catch (DeviceException fault)
        {
            throw At("cannot write zeroes", offset, fault);
        }
    }

    /// <inheritdoc/>
    public bool TryReadNow(long offset, Span<byte> buffer)
    {
        try { return LinuxFile.ReadNoWait(_file, buffer, offset) == buffer.Length; }
        catch (DeviceException fault) { throw At("cannot read", offset, fault); }
    }

    /// <inheritdoc/>
    public bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
    {
        if (data.Length > LargestWriteNow) return false;
        Write(offset, data);
        return true;
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        // What is read ahead would be dropped again, see OpenShared.
        if (!_readsAnew) LinuxFile.WillNeed(_file, offset, length);
    }

    /// <inheritdoc/>
    public bool TryExtend(long length)
    {
        if (!IsRegularFile) return false;
        if (length <= Length) return true;
        try { LinuxFile.SetLength(_file, length); }
        catch (DeviceException fault)
        {
            throw new DeviceException($"{_path}: cannot extend to {length} bytes", fault.Errno);
        }

        Volatile.Write(ref _length, length);
        return true;
    }

    /// <inheritdoc/>
    public void Reserve(long offset, long length)
    {
        if (!IsRegularFile) return;
        try
        {
            if (!TryAllocate(LinuxFile.Reserve, offset, length)) ReserveByWriting(offset, length);
        }
        catch (DeviceException fault)
        {
            throw new DeviceException($"{_path}: cannot reserve {length} bytes of its file system", fault.Errno);
        }
    }

    /// <inheritdoc/>
    public void RefreshLength() => Volatile.Write(ref _length, LinuxFile.Length(_file));

    /// <summary>The end of the run of data, or of the hole, that starts at <paramref name="offset"/>: always behind it. What
    /// lies behind the end of the file, as after somebody has cut it off, is called data without an end: reading it fails,
    /// and nobody takes it for zeroes.</summary>
    /// <param name="offset">Bytes from the start.</param>
    /// <param name="isHole">True when the run reads as zeroes and takes no space.</param>
    public long EndOfRun(long offset, out bool isHole)
    {
        isHole = false;
        long end = LinuxFile.Length(_file);
        if (offset >= end) return long.MaxValue;
        if (!IsRegularFile) return end;
        long data = LinuxFile.Next(_file, offset, LinuxFile.SeekData);
        isHole = data != offset;
        if (isHole) return data < 0 ? end : data;

        // Somebody may have punched a hole here since: what was data a moment ago may be called so once more.
        long hole = LinuxFile.Next(_file, offset, LinuxFile.SeekHole);
        return hole < 0 ? end : Math.Max(hole, Math.Min((offset | (ZeroAlignment - 1)) + 1, end));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The lock belongs to the open file, and a child process that was just forked has it open as well, until its exec.
        if (!_file.IsClosed) LinuxFile.ReleaseLock(_file);
        if (_behind is { IsClosed: false }) LinuxFile.ReleaseLock(_behind);
        _file.Dispose();
        _behind?.Dispose();
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

    // On NFS before 4.2 and most of FUSE: what reads as zeroes may be a hole, and is none once zeroes were written and are
    // stable. Where equal blocks or zeroes take no space (ZFS) nothing can be promised.
    private void ReserveByWriting(long offset, long length)
    {
        // What the flush below is told of is for these zeroes alone: a loss of what was written before is no want of space.
        try { Flush(); }
        catch (DeviceException fault) { throw new DeviceException($"writes were lost: {fault.Message}", Errno.EIO); }

        byte[] buffer = new byte[(int)Math.Min(Zeroes.Length, length)];
        for (long end = offset + length; offset < end; offset += buffer.Length)
        {
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - offset));
            Read(offset, piece);
            for (int at = 0; at < piece.Length; at += ZeroAlignment)
            {
                Span<byte> block = piece[at..Math.Min(at + ZeroAlignment, piece.Length)];
                if (!block.ContainsAnyExcept((byte)0)) Write(offset + at, block);
            }
        }

        Flush();
    }

    private void ZeroAligned(long offset, long length, ZeroingMode mode)
    {
        if (length == 0) return;
        bool keepAllocated = mode is ZeroingMode.KeepAllocated or ZeroingMode.FastOnlyKeepAllocated;
        bool fastOnly = mode is ZeroingMode.FastOnly or ZeroingMode.FastOnlyKeepAllocated;
        if (!keepAllocated && TryAllocate(LinuxFile.PunchHole, offset, length)) return;

        // The kernel zeroes a block node by writing where the disk has no command for it: right, but not fast.
        if (!(fastOnly && !IsRegularFile) && TryAllocate(LinuxFile.ZeroRange, offset, length)) return;
        if (fastOnly) throw new DeviceException("cannot zero fast", Errno.ENOTSUP);
        ZeroByWriting(offset, length);
    }

    private bool TryAllocate(Action<SafeFileHandle, long, long> allocate, long offset, long length)
    {
        try { allocate(_file, offset, length); }
        catch (DeviceException fault) when (IsUnsupported(fault)) { return false; }

        return true;
    }

    private void ZeroByWriting(long offset, long length)
    {
        for (long done = 0; done < length; done += Zeroes.Length)
            Write(offset + done, Zeroes.AsSpan(0, (int)Math.Min(Zeroes.Length, length - done)));
    }

    private static bool IsUnsupported(DeviceException fault) => fault.Errno is Errno.ENOTSUP or Errno.EINVAL or Errno.ENOSYS;

    private DeviceException At(string what, long offset, DeviceException fault) =>
        new($"{_path}: {what} at byte {offset}", fault.Errno);
}
