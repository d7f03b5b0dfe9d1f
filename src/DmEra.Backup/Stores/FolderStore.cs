using DmEra.Devices;
using Microsoft.Win32.SafeHandles;

namespace DmEra.Backup.Stores;

/// <summary>
/// Objects as files below a folder. A file is written under <c>tmp/</c> and renamed when it is durable; what a killed
/// program leaves there is removed by the next prune.
/// </summary>
public sealed class FolderStore : IObjectStore
{
    internal const string TemporaryPrefix = "tmp/";

    private readonly string _root;
    private readonly Lock _lock = new();        // guards _folders
    private readonly HashSet<string> _folders = new(StringComparer.Ordinal);    // that are known to be durable
    private long _lastTemporary;

    /// <summary>Takes a folder, which is made when something is first put into it.</summary>
    public FolderStore(string folder)
    {
        Address = folder;
        _root = Path.GetFullPath(folder);
    }

    /// <inheritdoc/>
    public string Address { get; }

    /// <inheritdoc/>
    /// <remarks>Two, so that one file is filled while the other is flushed.</remarks>
    public int Parallelism => 2;

    /// <inheritdoc/>
    public void Put(string name, ReadOnlyMemory<byte> content)
    {
        string path = PathOf(name);
        string temporary = PathOf(
            $"{TemporaryPrefix}{Environment.ProcessId}-{Guid.NewGuid():N}-{Interlocked.Increment(ref _lastTemporary)}");
        Guard($"write {name}", () =>
        {
            MakeFolder(Path.GetDirectoryName(temporary)!);
            MakeFolder(Path.GetDirectoryName(path)!);
            DurableFile.Replace(path, temporary, content.Span);
        });
    }

    /// <inheritdoc/>
    public int Read(string name, long offset, Span<byte> buffer)
    {
        try
        {
            using SafeFileHandle file = File.OpenHandle(PathOf(name));
            int done = 0;
            while (done < buffer.Length)
            {
                int count = RandomAccess.Read(file, buffer[done..], offset + done);
                if (count == 0) break;
                done += count;
            }

            return done;
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ObjectMissingException(Address, name);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new RepositoryException($"{Address}: cannot read {name}: {Reason(fault)}", fault);
        }
    }

    /// <inheritdoc/>
    public IEnumerable<StoredObject> List(string prefix)
    {
        // Only the folder part of the prefix saves work; what lies in it is then compared in full.
        DirectoryInfo folder = new(PathOf(prefix[..(prefix.LastIndexOf('/') + 1)]));
        if (!folder.Exists) yield break;
        using IEnumerator<FileInfo> files = folder.EnumerateFiles("*", SearchOption.AllDirectories).GetEnumerator();
        while (TryNext(files, prefix) is FileInfo file)
        {
            string name = Path.GetRelativePath(_root, file.FullName);
            // One that was deleted while others were listed is none.
            if (name.StartsWith(prefix, StringComparison.Ordinal) && file.Exists)
                yield return new StoredObject(name, file.Length, new DateTimeOffset(file.LastWriteTimeUtc));
        }
    }

    /// <inheritdoc/>
    public void Delete(params IEnumerable<string> names)
    {
        HashSet<string> folders = new(StringComparer.Ordinal);
        foreach (string name in names)
        {
            string path = PathOf(name);
            string folder = Path.GetDirectoryName(path)!;
            if (!Directory.Exists(folder)) continue;
            Guard($"delete {name}", () => File.Delete(path));
            folders.Add(folder);
        }

        foreach (string folder in folders) Guard($"delete from {folder}", () => DurableFile.FlushFolder(folder));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Guard(string what, Action action)
    {
        try
        {
            action();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new RepositoryException($"{Address}: cannot {what}: {Reason(fault)}", fault);
        }
    }

    private static string Reason(Exception fault) =>
        fault is DeviceException or UnauthorizedAccessException
            ? fault.Message
            : $"{fault.Message.Split(" : ")[0]}";

    private FileInfo? TryNext(IEnumerator<FileInfo> files, string prefix)
    {
        try
        {
            return files.MoveNext() ? files.Current : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new RepositoryException($"{Address}: cannot list {prefix}: {Reason(fault)}", fault);
        }
    }

    private string PathOf(string name) => Path.Combine(_root, name);

    // A folder must survive a power failure as the file in it does. That it is there is no proof: perhaps a program has
    // made it that was killed, or another thread just now.
    private void MakeFolder(string path)
    {
        lock (_lock)
        {
            if (_folders.Contains(path) || (path.Length <= _root.Length && Directory.Exists(path))) return;
            string parent = Path.GetDirectoryName(path)!;
            MakeFolder(parent);
            Directory.CreateDirectory(path);
            DurableFile.FlushFolder(parent);
            _folders.Add(path);
        }
    }
}
