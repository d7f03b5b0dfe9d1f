using System.Diagnostics.CodeAnalysis;
using DmEra.Devices;
using DmEra.Devices.Threads;

namespace DmEra.Target.Mapping;

/// <summary>
/// Where every request enters the device and leaves it: open while there is a current writeset, closed while the
/// device is suspended. Entering an open gate takes no lock and allocates nothing.
/// </summary>
/// <remarks>
/// A request counts itself in first and then looks again whether the gate is still as it found it; whoever switches
/// the gate changes it first and then waits for the count. So a request that got through is always waited for.
/// </remarks>
internal sealed class RequestGate(IThreads threads)
{
    private readonly InFlight _reads = new(threads);
    private readonly IMonitor _monitor = threads.CreateMonitor();     // guards _isStopped
    private Writeset? _writeset;                                      // the current one; null = closed
    private bool _isStopped;

    /// <summary>Enters with a request that changes the origin; waits while the gate is closed. Its
    /// <see cref="InFlight.Exit"/> must follow.</summary>
    /// <exception cref="DeviceException">ESHUTDOWN: the device was stopped.</exception>
    public Writeset EnterWrite()
    {
        Writeset? writeset;
        while (!TryEnterWrite(out writeset)) WaitUntilOpen();
        return writeset;
    }

    /// <summary>As <see cref="EnterWrite"/>; false when the gate is closed.</summary>
    public bool TryEnterWrite([NotNullWhen(true)] out Writeset? writeset)
    {
        while ((writeset = Volatile.Read(ref _writeset)) != null)
        {
            writeset.Writes.Enter();
            if (ReferenceEquals(Volatile.Read(ref _writeset), writeset)) return true;
            writeset.Writes.Exit();     // another era began, or the device was suspended, in between
        }

        return false;
    }

    /// <summary>Enters with any other request; waits while the gate is closed.</summary>
    /// <exception cref="DeviceException">ESHUTDOWN: the device was stopped.</exception>
    public void EnterRead()
    {
        while (!TryEnterRead()) WaitUntilOpen();
    }

    /// <summary>As <see cref="EnterRead"/>; false when the gate is closed.</summary>
    public bool TryEnterRead()
    {
        _reads.Enter();
        if (Volatile.Read(ref _writeset) != null) return true;
        _reads.Exit();
        return false;
    }

    /// <summary>Leaves after <see cref="EnterRead"/>.</summary>
    public void ExitRead() => _reads.Exit();

    /// <summary>Lets requests in from now on under this writeset, or not at all.</summary>
    /// <returns>The writeset until now, whose writes may still be on their way.</returns>
    public Writeset? Switch(Writeset? next)
    {
        Writeset? last = Interlocked.Exchange(ref _writeset, next);
        using MonitorHold hold = _monitor.Hold();
        _monitor.PulseAll();
        return last;
    }

    /// <summary>Waits for the requests that are not writes, once the gate is closed.</summary>
    public void DrainReads() => _reads.WaitUntilNone();

    /// <summary>Fails the requests that wait at the closed gate, and all to come.</summary>
    public void Stop()
    {
        using MonitorHold hold = _monitor.Hold();
        _isStopped = true;
        _monitor.PulseAll();
    }

    private void WaitUntilOpen()
    {
        using MonitorHold hold = _monitor.Hold();
        while (Volatile.Read(ref _writeset) == null)
        {
            if (_isStopped) throw new DeviceException("era device", Errno.ESHUTDOWN);
            _monitor.Wait();
        }
    }
}
