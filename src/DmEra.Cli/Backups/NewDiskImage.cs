using DmEra.Devices;

namespace DmEra.Cli.Backups;

/// <summary>A disk image that is being written: it gets its name once it is whole. Until then it is called
/// <c>NAME.partial</c>, and whoever finds that knows what it is.</summary>
internal sealed class NewDiskImage : IDisposable
{
    private readonly string _path;
    private readonly string _partial;
    private bool _isComplete;

    private NewDiskImage(string path, string partial, FileBlockDevice device)
    {
        _path = path;
        _partial = partial;
        Device = device;
    }

    /// <summary>The file, full of zeroes at first.</summary>
    public FileBlockDevice Device { get; }

    /// <summary>Begins a file, which must not be there.</summary>
    public static NewDiskImage Create(string path, long length)
    {
        if (Path.Exists(path)) throw new CommandException($"{path}: there already");
        string partial = $"{path}.partial";
        using (FileStream file = new(partial, FileMode.Create, FileAccess.Write)) file.SetLength(length);
        return new NewDiskImage(path, partial, FileBlockDevice.Open(partial));
    }

    /// <summary>Gives it its name.</summary>
    public void Complete()
    {
        Device.Flush();
        File.Move(_partial, _path, overwrite: false);
        DurableFile.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(_path))!);
        _isComplete = true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Device.Dispose();
        if (!_isComplete) File.Delete(_partial);
    }
}
