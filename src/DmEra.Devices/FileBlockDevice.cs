using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>
/// A regular file or a block node as a device, through the page cache. Holds a lock on it for as long as it is open,
/// so that two programs never write the same disk: exclusive for a writer, shared among readers.
/// </summary>
public sealed partial class FileBlockDevice : IBlockDevice, IImmediateAccess, IReadAhead, IWriteBehind, IExtendable, IReservable, IRefreshable
{
    // A buffered write of this size is a copy into the page cache; larger ones may meet the kernel's write-back.
    private const int LargestWriteNow = 128 * 1024;

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

    /// <summary>The numbers that tell this file or device from all others of this machine, as long as it is there.</summary>
    public string Identity => _status.IsBlockDevice
        ? $"{_status.Identity.Major}:{_status.Identity.Minor}"
        : $"{_status.Identity.Major}:{_status.Identity.Minor}/{_status.Identity.Inode}";

    /// <summary>Leads another program to this very file, whatever becomes of its name, for as long as it is open here.</summary>
    public string DescriptorPath => $"/proc/{Environment.ProcessId}/fd/{_file.DangerousGetHandle()}";

    /// <summary>Gives the lock back, for another program that is to write to it.</summary>
    public void ReleaseLock() => LinuxFile.ReleaseLock(_file);

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
    public void RefreshLength() => Volatile.Write(ref _length, LinuxFile.Length(_file));

    /// <inheritdoc/>
    public void Dispose()
    {
        // The lock belongs to the open file, and a child process that was just forked has it open as well, until its exec.
        if (!_file.IsClosed) LinuxFile.ReleaseLock(_file);
        if (_behind is { IsClosed: false }) LinuxFile.ReleaseLock(_behind);
        _file.Dispose();
        _behind?.Dispose();
    }

    private DeviceException At(string what, long offset, DeviceException fault) =>
        new($"{_path}: {what} at byte {offset}", fault.Errno);
}
