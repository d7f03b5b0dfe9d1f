using DmEra.Devices;
using Microsoft.Win32.SafeHandles;

namespace DmEra.Backup.Stores;

/// <summary>
/// Objects as files below a folder. A file is written under <c>tmp/</c> and renamed when it is durable; what a killed
/// program leaves there is removed by the next prune. Below the folder no link is followed and nothing but a file is
/// opened, whoever else may write there: see <see cref="FolderHandle"/>.
/// </summary>
/// <remarks>What is made is for its owner alone, as the disk is whose content it holds. Where the user has given
/// the folder to a group, by letting that write there and setting the group id, it is for the group too.</remarks>
public sealed class FolderStore : IObjectStore
{
    private const string Temporary = "tmp";
    private const UnixFileMode GroupToo = UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    private static readonly UnixFileMode OwnersFolder = DurableFile.OwnerOnly | UnixFileMode.UserExecute;

    private readonly string _path;
    private readonly Lock _lock = new();        // guards the fields below
    private readonly HashSet<string> _durable = new(StringComparer.Ordinal);    // folders, by their names
    private FolderHandle? _root;
    private long _lastTemporary;

    /// <summary>Takes a folder, which is made when something is first put into it.</summary>
    public FolderStore(string folder)
    {
        Address = folder;
        _path = Path.GetFullPath(folder);
    }

    /// <inheritdoc/>
    public string Address { get; }

    /// <inheritdoc/>
    /// <remarks>Two, so that one file is filled while the other is flushed.</remarks>
    public int Parallelism => 2;

    private UnixFileMode FileMode => IsForGroup ? DurableFile.OwnerOnly | GroupToo : DurableFile.OwnerOnly;

    private UnixFileMode FolderMode => IsForGroup
        ? OwnersFolder | GroupToo | UnixFileMode.GroupExecute | UnixFileMode.SetGroup
        : OwnersFolder;

    // Without the set-group-ID bit, what is made would be for another group: the process's.
    private bool IsForGroup => Root(make: false).Mode.HasFlag(UnixFileMode.GroupWrite | UnixFileMode.SetGroup);

    /// <inheritdoc/>
    public void Put(string name, ReadOnlyMemory<byte> content) => Write(name, content, static (from, temporary, to, final) =>
    {
        from.Rename(temporary, to, final);
        return true;
    });

    /// <inheritdoc/>
    public bool TryCreate(string name, ReadOnlyMemory<byte> content) =>
        Write(name, content, static (from, temporary, to, final) => from.TryRename(temporary, to, final));

    /// <inheritdoc/>
    public int Read(string name, long offset, Span<byte> buffer)
    {
        try
        {
            using FolderHandle folder = OpenFolder(FolderOf(name), make: false);
            using SafeFileHandle file = folder.OpenFile(Path.GetFileName(name));
            int done = 0;
            while (done < buffer.Length)
            {
                int count = RandomAccess.Read(file, buffer[done..], offset + done);
                if (count == 0) break;
                done += count;
            }

            return done;
        }
        catch (DeviceException fault) when (fault.Errno == Errno.ENOENT)
        {
            throw new ObjectMissingException(Address, name);
        }
        catch (DeviceException fault) when (IsInTheWay(fault))
        {
            throw new ObjectDamagedException(name, "there is no file there, but something that is not followed or opened");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw Failure($"read {name}", fault);
        }
    }

    /// <inheritdoc/>
    public IEnumerable<StoredObject> List(string prefix)
    {
        string first = FolderOf(prefix);
        Stack<string> folders = new([first]);
        while (folders.TryPop(out string? folder))
        {
            foreach (FolderEntry entry in EntriesOf(folder, isOptional: !folder.Equals(first, StringComparison.Ordinal)))
            {
                string name = folder.Length == 0 ? entry.Name : $"{folder}/{entry.Name}";
                if (ForeignNames.Contains(entry.Name) || name is Temporary || !name.StartsWith(prefix, StringComparison.Ordinal)) continue;
                if (entry.IsFolder) folders.Push(name);
                else yield return new StoredObject(name, entry.Length, entry.Written);
            }
        }
    }

    /// <inheritdoc/>
    public void Delete(params IEnumerable<string> names)
    {
        foreach (IGrouping<string, string> inFolder in names.GroupBy(FolderOf, StringComparer.Ordinal))
        {
            Remove(inFolder.Key, inFolder.Select(Path.GetFileName)!);
        }
    }

    /// <inheritdoc/>
    public void Withdraw(string name) => Delete(name);

    /// <inheritdoc/>
    public void RemoveUnfinished(DateTimeOffset before) => Remove(
        Temporary,
        EntriesOf(Temporary, isOptional: true).Where(entry => !entry.IsFolder && !ForeignNames.Contains(entry.Name) && entry.Written < before)
            .Select(entry => entry.Name));

    /// <inheritdoc/>
    public void Dispose() => _root?.Dispose();

    private static string FolderOf(string name) => name[..Math.Max(name.LastIndexOf('/'), 0)];

    // A link where a folder should be, or anything but a file where a file should be.
    private static bool IsInTheWay(DeviceException fault) => fault.Errno is Errno.ENOTDIR or Errno.ELOOP or Errno.ENXIO;

    private bool Write(string name, ReadOnlyMemory<byte> content, Func<FolderHandle, string, FolderHandle, string, bool> rename) =>
        GuardWrite($"write {name}", () =>
        {
            using FolderHandle folder = OpenFolder(FolderOf(name), make: true);
            using FolderHandle waiting = OpenFolder(Temporary, make: true);
            string temporary = $"{Environment.ProcessId}-{Guid.NewGuid():N}-{Interlocked.Increment(ref _lastTemporary)}";
            DurableFile.Write(waiting, temporary, content.Span, FileMode);
            bool isThere = false;
            try
            {
                isThere = rename(waiting, temporary, folder, Path.GetFileName(name));
            }
            finally
            {
                if (!isThere) waiting.Remove(temporary);
            }

            if (isThere) MakeNameDurable(folder, name);
            return isThere;
        });

    private void MakeNameDurable(FolderHandle folder, string name)
    {
        try
        {
            folder.Flush();
        }
        catch (DeviceException fault)
        {
            throw new RepositoryException(
                $"{Address}: {name} is written, but a power failure may take it back: {Errno.Describe(fault.Errno)}");
        }
    }

    private List<FolderEntry> EntriesOf(string folder, bool isOptional) => Guard($"list {(folder.Length == 0 ? "it" : folder)}", () =>
    {
        try
        {
            using FolderHandle opened = OpenFolder(folder, make: false);
            return [.. opened.Entries()];
        }
        catch (DeviceException fault) when (fault.Errno == Errno.ENOENT || (isOptional && IsInTheWay(fault)))
        {
            // Not there, or not any more; or a link by now.
            return new List<FolderEntry>();
        }
    });

    private void Remove(string folder, IEnumerable<string> names) => GuardWrite($"delete from {folder}", () =>
    {
        FolderHandle opened;
        try { opened = OpenFolder(folder, make: false); }
        catch (DeviceException fault) when (fault.Errno == Errno.ENOENT) { return true; }

        using (opened)
        {
            foreach (string name in names) opened.Remove(name);
            opened.Flush();
            return true;
        }
    });

    /// <summary>Opens a folder, from the root on, one name after the other.</summary>
    private FolderHandle OpenFolder(string name, bool make)
    {
        FolderHandle folder = Root(make).OpenFolder(".");
        if (name.Length == 0) return folder;
        string[] names = name.Split('/');
        for (int i = 0; i < names.Length; i++)
        {
            try
            {
                if (make) MakeDurably(folder, names[i], string.Join('/', names[..(i + 1)]));
                FolderHandle next = folder.OpenFolder(names[i]);
                folder.Dispose();
                folder = next;
            }
            catch
            {
                folder.Dispose();
                throw;
            }
        }

        return folder;
    }

    // A folder must survive a power failure as the file in it does. That it is there is no proof: perhaps a program has
    // made it that was killed, or another thread just now.
    private void MakeDurably(FolderHandle parent, string name, string fullName)
    {
        lock (_lock)
        {
            if (_durable.Contains(fullName)) return;
            parent.TryMakeFolder(name, FolderMode);
            parent.Flush();
            _durable.Add(fullName);
        }
    }

    private FolderHandle Root(bool make)
    {
        lock (_lock)
        {
            if (_root is not null) return _root;
            if (make && !Directory.Exists(_path)) MakeRoot(_path);
            return _root = FolderHandle.Open(_path);
        }
    }

    private static void MakeRoot(string path)
    {
        string parent = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(parent)) MakeRoot(parent);
        using FolderHandle folder = FolderHandle.Open(parent);
        folder.TryMakeFolder(Path.GetFileName(path), OwnersFolder);
        folder.Flush();
    }

    private T Guard<T>(string what, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (DeviceException fault) when (IsInTheWay(fault))
        {
            throw new RepositoryException($"{Address}: cannot {what}: a link, or another thing that is no folder, lies in its way; "
                + "a repository is one folder with all that is in it", fault);
        }
        catch (Exception fault) when (fault is not RepositoryException and (IOException or UnauthorizedAccessException))
        {
            throw Failure(what, fault);
        }
    }

    // As above, and tells apart what a caller may want to know of a store that cannot be written to.
    private T GuardWrite<T>(string what, Func<T> action)
    {
        try
        {
            return Guard(what, action);
        }
        catch (RepositoryException fault) when (fault.InnerException is DeviceException { Errno: Errno.EROFS or Errno.EACCES or Errno.EPERM })
        {
            throw new StoreNotWritableException(fault.Message, fault.InnerException);
        }
        catch (RepositoryException fault) when (fault.InnerException is DeviceException { Errno: Errno.ENOSPC or Errno.EDQUOT })
        {
            throw new StoreFullException(fault.Message, fault.InnerException);
        }
    }

    private RepositoryException Failure(string what, Exception fault)
    {
        string reason = fault is DeviceException device ? Errno.Describe(device.Errno) : fault.Message.Split(" : ")[0];
        return new RepositoryException($"{Address}: cannot {what}: {reason}", fault);
    }
}
