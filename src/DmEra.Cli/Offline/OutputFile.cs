using System.CommandLine;
using DmEra.Devices;
using Microsoft.Win32.SafeHandles;

namespace DmEra.Cli.Offline;

/// <summary>
/// Where a tool's output goes: to a file of that name, which appears whole and durable or not at all; to a pipe or a device as it
/// is; or, without a name or with <c>-</c>, to the standard output. Never onto what the command reads or somebody else uses.
/// </summary>
internal sealed class OutputFile : IDisposable
{
    private readonly FileReplacement? _replacement;
    private readonly DescriptorStream? _named;          // null, as the other one, for the standard output

    private OutputFile(Stream stream) => Stream = stream;

    private OutputFile(FileReplacement replacement)
        : this(replacement.Stream) => _replacement = replacement;

    private OutputFile(DescriptorStream named)
        : this((Stream)named) => _named = named;

    /// <summary>Takes the output.</summary>
    public Stream Stream { get; }

    /// <summary>True when the output goes to a terminal, where nothing else should be drawn meanwhile.</summary>
    public static bool IsTerminal(string? path) => path is null or "-" && !Console.IsOutputRedirected;

    /// <summary>Opens it.</summary>
    /// <param name="parse">Has the standard output.</param>
    /// <param name="path">As the user typed it; null for the standard output.</param>
    /// <param name="stop">Ends waiting for whoever is to read it.</param>
    /// <param name="inputs">What the command reads.</param>
    /// <exception cref="CommandException">It is an input, or in use.</exception>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static OutputFile Open(ParseResult parse, string? path, CancellationToken stop, params ReadOnlySpan<FileBlockDevice> inputs)
    {
        if (path is null or "-")
        {
            Stream standard = parse.OutputStream();
            if (standard is DescriptorStream descriptor) Guard("standard output", descriptor.Status, inputs);
            return new OutputFile(standard);
        }

        try
        {
            string place = FileLinks.Follow(path);
            if (FileLinks.DescriptorOf(place) is int number) return Guarded(path, InheritedDescriptor.Take(number), inputs, stop);
            if (FileStatus.TryOf(place) is not FileStatus there) return new OutputFile(new FileReplacement(place));
            Guard(path, there, inputs);
            return there.IsRegular ? new OutputFile(new FileReplacement(place)) : Guarded(path, OpenAsItIs(place, stop), inputs, stop);
        }
        catch (DeviceException fault) when (fault.Errno == Errno.EBUSY)
        {
            throw InUse(path);
        }
    }

    /// <summary>The output is whole: makes it appear.</summary>
    public void Complete()
    {
        _replacement?.Complete();
        _named?.FlushToDisk();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _replacement?.Dispose();
        _named?.Dispose();
    }

    // Whoever opens a pipe to write to it waits for a reader, and cannot be called off: he is left behind.
    private static SafeFileHandle OpenAsItIs(string place, CancellationToken stop) =>
        Task.Run(() => DescriptorStream.OpenHandle(place), CancellationToken.None).WaitAsync(stop).GetAwaiter().GetResult();

    private static OutputFile Guarded(string path, SafeFileHandle handle, ReadOnlySpan<FileBlockDevice> inputs, CancellationToken stop)
    {
        DescriptorStream stream = new(handle, path) { Stop = stop };
        Guard(path, stream.Status, inputs);
        return new OutputFile(stream);
    }

    private static void Guard(string path, FileStatus output, ReadOnlySpan<FileBlockDevice> inputs)
    {
        foreach (FileBlockDevice input in inputs)
        {
            if (input.Status.Identity == output.Identity) throw InUse(path);
        }
    }

    private static CommandException InUse(string path) =>
        new($"{path}: in use; the output must be neither a running device's nor the input");
}
