using DmEra.Devices;
using DmEra.Serving.Hosting;
using DmEra.Target.Chronicles;

namespace DmEra.Cli.Offline;

/// <summary>The metadata that a tool makes: in a file or device that is there, or in a new file, which is removed again
/// unless it is kept.</summary>
internal sealed class NewMetadata : IDisposable
{
    private readonly NewFiles _created;

    private NewMetadata(NewFiles created, FileBlockDevice device)
    {
        _created = created;
        Device = device;
    }

    /// <summary>Where the metadata goes.</summary>
    public FileBlockDevice Device { get; }

    /// <summary>Opens it, and locks everybody else out.</summary>
    /// <exception cref="CommandException">It is in use, or cannot be made.</exception>
    public static NewMetadata Open(string path)
    {
        NewFiles created = new();
        try
        {
            string place = FileLinks.Follow(path);
            if (FileStatus.TryOf(place) is null) created.CreateSparse(place, lengthBytes: 0);
            NewMetadata opened = new(created, FileBlockDevice.Open(path));
            // Marks are of the history that was there. Without them nobody takes the new one for it.
            EraChronicle.Remove(path);
            return opened;
        }
        catch (DeviceException fault) when (fault.Errno == Errno.EBUSY)
        {
            throw new CommandException($"{path}: in use; the output must be neither a running device's nor the input");
        }
    }

    /// <summary>The metadata is whole.</summary>
    public void Keep() => _created.Keep();

    /// <inheritdoc/>
    public void Dispose()
    {
        Device.Dispose();
        _created.Dispose();
    }
}
