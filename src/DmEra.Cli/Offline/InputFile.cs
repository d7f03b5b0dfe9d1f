using DmEra.Devices;

namespace DmEra.Cli.Offline;

/// <summary>Opens a file to be read that may be a pipe.</summary>
internal static class InputFile
{
    /// <summary>Opens it. Whoever opens a pipe waits for a writer, and cannot be called off: he is left behind.</summary>
    /// <param name="option">The option that names it, for errors.</param>
    /// <param name="path">Its path.</param>
    /// <param name="stop">Ends waiting.</param>
    /// <exception cref="CommandException">It cannot be opened.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static FileStream Open(string option, string path, CancellationToken stop)
    {
        try
        {
            if (FileLinks.DescriptorOf(FileLinks.Follow(path)) is int number && !InheritedDescriptor.IsInherited(number))
                throw new DeviceException(path, Errno.EBADF);
            return Task.Run(
                () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0), CancellationToken.None)
                .WaitAsync(stop).GetAwaiter().GetResult();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{option} {path}: {SystemFault.Reason(fault)}");
        }
    }

    /// <summary>Reads a small one to its end.</summary>
    /// <param name="option">The option that names it, for errors.</param>
    /// <param name="path">Its path.</param>
    /// <param name="read">Reads it.</param>
    /// <param name="stop">Ends waiting.</param>
    public static T Read<T>(string option, string path, Func<Stream, T> read, CancellationToken stop)
    {
        using FileStream file = Open(option, path, stop);
        using WatchedStream input = new(file, static _ => { }, stop);
        return read(input);
    }
}
