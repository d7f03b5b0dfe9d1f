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

    /// <summary>Begins a file, which must not be there. Like the disk whose content it will hold, it is for its owner alone.</summary>
    public static NewDiskImage Create(string path, long length)
    {
        string partial = Begin(path);
        FileBlockDevice device = FileBlockDevice.Open(partial);
        device.Cut(length);
        return new NewDiskImage(path, partial, device);
    }

    /// <summary>Makes an empty file for an image that is to be.</summary>
    /// <param name="path">What the image will be called.</param>
    /// <returns>What it is called until then.</returns>
    public static string Begin(string path)
    {
        if (Path.Exists(path)) throw new CommandException($"{path}: there already");
        // In full: some programs take what is before a colon in a bare name for a protocol.
        string partial = $"{Path.GetFullPath(path)}.partial";
        if (File.Exists(partial)) RemoveLeftOver(partial);
        using FileStream file = new(partial, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = DurableFile.OwnerOnly,
        });
        return partial;
    }

    /// <summary>Gives an image its name, once all of it is on the disk.</summary>
    /// <exception cref="IOException">It does not have it; or it has, and a power failure may take it back.</exception>
    public static void Publish(string partial, string path)
    {
        File.Move(partial, path, overwrite: false);
        DurableFile.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Gives it its name.</summary>
    public void Complete()
    {
        Device.Flush();
        _isComplete = true;
        Publish(_partial, _path);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Device.Dispose();
        if (!_isComplete) File.Delete(_partial);
    }

    // Of a program that was killed; one that is at work has it locked.
    private static void RemoveLeftOver(string partial)
    {
        using (FileBlockDevice.Open(partial)) File.Delete(partial);
    }
}
