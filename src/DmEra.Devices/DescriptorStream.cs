using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

/// <summary>
/// Writes to an open descriptor: the standard output, a pipe, a device. Unlike the console's own stream, which then goes on in
/// silence, it fails with EPIPE when whoever was to read has gone: there is no point in working on.
/// </summary>
/// <param name="descriptor">Where to; closed with the stream if it is its own.</param>
/// <param name="name">What it is called in errors.</param>
public sealed class DescriptorStream(SafeFileHandle descriptor, string name) : WriteOnlyStream
{
    private const int AtomicLength = 4096;      // PIPE_BUF: there is room for this if there is any
    private const int LookMs = 100;

    private bool? _mayWait;

    /// <summary>What the descriptor leads to.</summary>
    /// <exception cref="DeviceException">It is not open.</exception>
    public FileStatus Status
    {
        get
        {
            try { return FileStatus.Of(descriptor); }
            catch (DeviceException fault) { throw new DeviceException(name, fault.Errno); }
        }
    }

    /// <summary>Ends waiting for a reader that does not read.</summary>
    public CancellationToken Stop { get; set; }

    // Asked for when it is first needed: who starts a program may have closed its standard output, and nothing be printed.
    private bool MayWait => _mayWait ??= Status.Kind is FileKind.Pipe or FileKind.Socket or FileKind.CharacterDevice;

    /// <summary>The standard output.</summary>
    public static DescriptorStream OpenStandardOutput() => new(InheritedDescriptor.Take(1), "standard output");

    /// <summary>Opens what a path leads to, to be written to as it is. Of a pipe that nobody reads it waits for somebody who
    /// does. A disk that is in use otherwise is refused.</summary>
    /// <exception cref="DeviceException">It cannot be opened.</exception>
    public static SafeFileHandle OpenHandle(string path) => LinuxFile.Open(
        path, LinuxFile.OpenWriteOnly | (FileStatus.Of(path).IsBlockDevice ? LinuxFile.OpenExclusive : 0));

    /// <inheritdoc/>
    /// <exception cref="DeviceException">It could not be written.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            while (!buffer.IsEmpty) buffer = buffer[LinuxFile.Append(descriptor, Part(buffer))..];
        }
        catch (DeviceException fault)
        {
            throw new DeviceException(name, fault.Errno);
        }
    }

    /// <summary>Makes what was written stable, where that means something.</summary>
    /// <exception cref="DeviceException">It is not.</exception>
    public void FlushToDisk()
    {
        if (MayWait) return;
        try { LinuxFile.FlushData(descriptor); }
        catch (DeviceException fault) { throw new DeviceException($"{name}: cannot flush", fault.Errno); }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) descriptor.Dispose();
        base.Dispose(disposing);
    }

    // A write of more than there is room for would wait, whatever is told meanwhile.
    private ReadOnlySpan<byte> Part(ReadOnlySpan<byte> buffer)
    {
        if (!MayWait || !Stop.CanBeCanceled) return buffer;
        do Stop.ThrowIfCancellationRequested();
        while (!LinuxFile.AwaitRoom(descriptor, LookMs));
        return buffer[..Math.Min(buffer.Length, AtomicLength)];
    }
}
