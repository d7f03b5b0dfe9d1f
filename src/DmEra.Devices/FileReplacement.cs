using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>
/// A file that is written beside the one of its name, and takes that name once it is whole and durable: others see the old content
/// or the new. What it replaces is locked meanwhile; its mode stays, so that no more people can read the new content than the old.
/// </summary>
public sealed class FileReplacement : IDisposable
{
    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;  // less the umask

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode GroupBits = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;

    private readonly string _path;
    private readonly string _temporary;
    private readonly SafeFileHandle? _old;

    /// <summary>Begins.</summary>
    /// <param name="path">The file; no link.</param>
    /// <exception cref="DeviceException">The file that is there cannot be written to, or is in use.</exception>
    /// <exception cref="IOException">There can be none.</exception>
    public FileReplacement(string path)
    {
        _path = path;
        _temporary = $"{path}.{Guid.NewGuid().ToString("N")[..8]}.new";
        _old = FileStatus.TryOf(path) is null ? null : LockOld(path);
        try
        {
            Stream = new FileStream(_temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Share = FileShare.Read,
                BufferSize = 0,
                UnixCreateMode = _old is null ? Everybody : OwnerOnly,
            });
        }
        catch
        {
            _old?.Dispose();
            throw;
        }
    }

    /// <summary>Takes the new content.</summary>
    public FileStream Stream { get; }

    /// <summary>The new content is whole: gives it the name.</summary>
    /// <exception cref="IOException">It does not have it, or perhaps not for good.</exception>
    public void Complete()
    {
        if (_old is not null) TakeOver(FileStatus.Of(_old));
        RandomAccess.FlushToDisk(Stream.SafeFileHandle);
        Stream.Dispose();
        File.Move(_temporary, _path, overwrite: true);
        DurableFile.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(_path))!);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stream.Dispose();
        File.Delete(_temporary);
        _old?.Dispose();
    }

    private static SafeFileHandle LockOld(string path)
    {
        SafeFileHandle old = LinuxFile.Open(path, LinuxFile.OpenWriteOnly);
        if (LinuxFile.TryLock(old, exclusive: true)) return old;
        old.Dispose();
        throw new DeviceException(path, Errno.EBUSY);
    }

    // Those of another group must not read what only those of the old one could.
    private void TakeOver(FileStatus old)
    {
        FileStatus now = FileStatus.Of(Stream.SafeFileHandle);
        bool isTheirs = (now.Owner, now.Group) == (old.Owner, old.Group)
            || LinuxFile.TryChangeOwner(Stream.SafeFileHandle, old.Owner, old.Group);
        File.SetUnixFileMode(Stream.SafeFileHandle, isTheirs ? old.Mode : old.Mode & ~GroupBits);
    }
}
