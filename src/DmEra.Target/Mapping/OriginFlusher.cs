using DmEra.Devices;
using DmEra.Devices.Threads;

namespace DmEra.Target.Mapping;

/// <summary>
/// Flushes the origin, for clients and at the ends of eras. A flush that failed stays failed: Linux tells of the pages that it
/// lost once, to whoever asks first, and takes them for clean. A later flush that succeeds says nothing about them, and
/// whoever wrote them must learn of it as well.
/// </summary>
/// <remarks>One flush at a time goes to the origin, so that of two none succeeds because the other was told of the loss. Whoever
/// comes while one is under way waits for the next, which serves all that have come by then, be it with its failure: an origin that is
/// away is not waited for by one after the other.</remarks>
internal sealed class OriginFlusher(IBlockDevice origin, IThreads threads)
{
    private readonly IMonitor _monitor = threads.CreateMonitor();     // guards the fields below
    private long _begun;
    private long _succeeded;
    private long _failed;
    private DeviceException? _lastFailure;      // of the flush of that number
    private bool _isRunning;
    private DeviceException? _failure;

    /// <summary>Why the origin cannot be flushed any more; null when it can.</summary>
    public DeviceException? Failure => Volatile.Read(ref _failure);

    /// <summary>Makes every write that has returned stable.</summary>
    /// <exception cref="DeviceException">The origin failed, now or earlier.</exception>
    public void Flush()
    {
        if (!TryBegin(out long number)) return;
        bool hasSucceeded = false;
        DeviceException? failure = null;
        try
        {
            origin.Flush();
            hasSucceeded = true;
        }
        catch (DeviceException fault)
        {
            failure = fault;
            throw;
        }
        finally
        {
            using MonitorHold hold = _monitor.Hold();
            _isRunning = false;
            if (hasSucceeded) _succeeded = number;
            else (_failed, _lastFailure) = (number, failure);
            if (!hasSucceeded && origin is not IUnflushedWrites { AreKept: true }) Volatile.Write(ref _failure, failure);
            _monitor.PulseAll();
        }
    }

    /// <summary>Throws when a flush has failed.</summary>
    /// <exception cref="DeviceException">So it is.</exception>
    public void RequireNotFailed()
    {
        if (Failure is not { } failure) return;
        throw new DeviceException(
            $"the origin lost writes at an earlier flush ({failure.Message}): mend it, then stop the device and serve it anew", failure.Errno);
    }

    // False when a flush that began after the call has succeeded already.
    private bool TryBegin(out long number)
    {
        using MonitorHold hold = _monitor.Hold();
        long needed = _begun + 1;
        while (_isRunning && _succeeded < needed && _failed < needed) _monitor.Wait();
        RequireNotFailed();
        number = _begun;
        if (_succeeded >= needed) return false;
        if (_failed >= needed && _lastFailure is { } failure) throw failure;
        _isRunning = true;
        number = ++_begun;
        return true;
    }
}
