using DmEra.Devices;

namespace DmEra.Serving.Hosting;

/// <summary>The files made for a device that did not exist yet. They are removed again unless it comes to be
/// served.</summary>
public sealed class NewFiles : IDisposable
{
    private readonly List<string> _paths = [];

    /// <summary>False among the nodes of devices, where a file would be taken for one and be gone with the next start of the machine.
    /// File systems that are mounted below, such as /dev/shm, are as any other.</summary>
    public static bool CanBeMade(string path) =>
        FileStatus.TryOf(Path.GetDirectoryName(Path.GetFullPath(path))!)?.FileSystem != FileStatus.Of("/dev").FileSystem;

    /// <summary>Makes a file that reads as zeroes and takes no space yet.</summary>
    public void CreateSparse(string path, long lengthBytes)
    {
        if (!CanBeMade(path)) throw new ServingException($"{path}: no such device; check the path");
        try
        {
            new FileStream(path, FileMode.CreateNew, FileAccess.Write).Dispose();
            _paths.Add(path);
            using FileBlockDevice file = FileBlockDevice.Open(path);
            file.TryExtend(lengthBytes);
            // The name is as durable as what will be in it: no mark is lost with it.
            DurableFile.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ServingException($"{path}: cannot create it with {ByteSize.Format(lengthBytes)}: {SystemFault.Reason(fault)}");
        }
    }

    /// <summary>Somebody else may make this file beside them: unless it is there already, it is removed with them.</summary>
    public void Expect(string path)
    {
        if (!Path.Exists(path)) _paths.Add(path);
    }

    /// <summary>From now on the files are the user's.</summary>
    public void Keep() => _paths.Clear();

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (string path in _paths) File.Delete(path);
        _paths.Clear();
    }
}
