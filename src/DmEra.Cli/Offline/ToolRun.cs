using System.CommandLine;
using DmEra.Devices;

namespace DmEra.Cli.Offline;

/// <summary>
/// What every tool has around it: Ctrl-C stops it at the next thing it reads, or while it waits for a pipe; and when it
/// takes longer than a second, a bar on the terminal shows how far it has read.
/// </summary>
internal sealed class ToolRun : IDisposable
{
    private readonly StopToken _stop = new();
    private readonly ProgressBar? _bar;
    private long _bytesRead;
    private long _bytesExpected = long.MaxValue;

    /// <summary>Begins.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="showProgress">False when no bar is wanted, even on a terminal.</param>
    public ToolRun(ParseResult parse, bool showProgress)
    {
        parse.StopOutputWith(_stop.Token);
        if (showProgress && !Console.IsErrorRedirected)
            _bar = new ProgressBar(parse.InvocationConfiguration.Error, () => (double)BytesRead / _bytesExpected);
    }

    /// <summary>Cancelled by Ctrl-C and SIGTERM.</summary>
    public CancellationToken Stop => _stop.Token;

    private long BytesRead => Volatile.Read(ref _bytesRead);

    /// <summary>Has a device that is read be watched.</summary>
    /// <param name="device">The device.</param>
    /// <param name="bytesExpected">Bytes that will be read of it, about.</param>
    public IBlockDevice Watch(IBlockDevice device, long bytesExpected)
    {
        _bytesExpected = Math.Max(bytesExpected, 1);
        return new WatchedDevice(device, OnRead);
    }

    /// <summary>Has a file that is read be watched.</summary>
    public Stream Watch(FileStream input)
    {
        _bytesExpected = Math.Max(input.CanSeek ? input.Length : long.MaxValue, 1);
        return new WatchedStream(input, OnRead, _stop.Token);
    }

    /// <summary>Does the work.</summary>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public T Do<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        finally
        {
            _bar?.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _bar?.Dispose();
        _stop.Dispose();
    }

    private void OnRead(int bytes)
    {
        _stop.Token.ThrowIfCancellationRequested();
        Interlocked.Add(ref _bytesRead, bytes);
    }
}
