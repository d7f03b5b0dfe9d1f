using System.CommandLine;
using DmEra.Devices;

namespace DmEra.Cli.Offline;

/// <summary>Where a tool's output goes: to a file of that name, which appears whole or not at all; or, without a name or
/// with <c>-</c>, to the standard output.</summary>
internal sealed class OutputFile : IDisposable
{
    private readonly string? _path;             // where it is to appear; null when it is there already
    private readonly string? _temporaryPath;

    private OutputFile(Stream stream) => Stream = stream;

    private OutputFile(string path)
    {
        _path = path;
        _temporaryPath = $"{path}.{Environment.ProcessId}.new";
        Stream = new FileStream(_temporaryPath, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
    }

    /// <summary>Takes the output.</summary>
    public Stream Stream { get; }

    /// <summary>True when the output goes to a terminal, where nothing else should be drawn meanwhile.</summary>
    public static bool IsTerminal(string? path) => path is null or "-" && !Console.IsOutputRedirected;

    /// <summary>Opens it.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static OutputFile Open(ParseResult parse, string? path)
    {
        if (path is null or "-") return new OutputFile(parse.OutputStream());
        if (!Path.Exists(path)) return new OutputFile(path);
        // In full: of a bare name, what the link says would be looked for in the root folder.
        string target = File.ResolveLinkTarget(Path.GetFullPath(path), returnFinalTarget: true)?.FullName ?? path;
        if (FileKind.IsRegular(target)) return new OutputFile(target);
        // A pipe or a device is written to as it is, and not locked against others: /dev/null is everybody's.
        return new OutputFile(new FileStream(target, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0));
    }

    /// <summary>The output is whole: makes it appear.</summary>
    public void Complete()
    {
        if (_path is null) return;
        Stream.Dispose();
        File.Move(_temporaryPath!, _path, overwrite: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_temporaryPath is null) return;
        Stream.Dispose();
        File.Delete(_temporaryPath);
    }
}
