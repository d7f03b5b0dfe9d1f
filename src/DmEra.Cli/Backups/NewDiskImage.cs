using DmEra.Devices;

namespace DmEra.Cli.Backups;

/// <summary>A disk image that is being written: it gets its name once it is whole. Until then it is called
/// <c>NAME.partial</c>, and whoever finds that knows what it is.</summary>
internal sealed class NewDiskImage : IDisposable
{
    private readonly string _path;
    private readonly FolderHandle _folder;
    private bool _isComplete;

    private NewDiskImage(string path, FolderHandle folder, FileBlockDevice device)
    {
        _path = path;
        _folder = folder;
        Device = device;
    }

    /// <summary>The file, full of zeroes at first.</summary>
    public FileBlockDevice Device { get; }

    private string Name => Path.GetFileName(_path);

    private string PartialName => PartialOf(Name);

    /// <summary>Begins a file, which must not be there. Like the disk whose content it will hold, it is for its owner alone; whoever
    /// else may write to the folder can put nothing in its place.</summary>
    public static NewDiskImage Create(string path, long length)
    {
        if (Path.Exists(path)) throw new CommandException($"{path}: there already");
        string full = Path.GetFullPath(path);
        FolderHandle folder = FolderHandle.Open(Path.GetDirectoryName(full)!);
        try
        {
            if (File.Exists(PartialOf(full))) RemoveLeftOver(PartialOf(full));
            NewDiskImage image = new(path, folder, FileBlockDevice.CreateNew(folder, PartialOf(full)));
            try { image.Device.Cut(length); }
            catch
            {
                image.Dispose();
                throw;
            }

            return image;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Gives it its name, once all of it is on the disk.</summary>
    /// <exception cref="IOException">It does not have it; or it has, and a power failure may take it back.</exception>
    public void Complete()
    {
        Device.Flush();
        if (!_folder.TryRename(PartialName, _folder, Name)) throw new CommandException($"{_path}: there already");
        _isComplete = true;
        _folder.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Device.Dispose();
        if (!_isComplete) _folder.Remove(PartialName);
        _folder.Dispose();
    }

    private static string PartialOf(string path) => $"{path}.partial";

    // Of a program that was killed; one that is at work has it locked.
    private static void RemoveLeftOver(string partial)
    {
        using (FileBlockDevice.Open(partial)) File.Delete(partial);
    }
}
