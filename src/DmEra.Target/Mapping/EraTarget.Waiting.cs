using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Target.Chronicles;

namespace DmEra.Target.Mapping;

// Having requests wait, and letting them in again. Each operation waits for its turn.
public sealed partial class EraTarget
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    private readonly IMonitor _retrying;    // woken when the device is stopped
    private volatile TargetState _state = TargetState.Suspended;
    private volatile string? _whyWaiting;   // though the device should go on

    // All below belong to whoever has the turn.
    private EraTable _next;                 // in force from the next opening on: until then nothing that it gains is marked
    private bool _isSuspended = true;
    private EraPause? _pause;
    private bool _isRetrying;
    private bool _isStopped;
    private long _lengthBefore;             // in bytes: when the device was last open, or as it was given

    /// <summary>Reads the metadata from what is on disk, starts a new era and lets requests in. Nothing happens when
    /// the device is active.</summary>
    /// <exception cref="EraTargetException">The device stays as it was: suspended, with the reason; or it has failed, and must
    /// be suspended first; or somebody else has it paused: it goes on when they are done, suspended before or not.</exception>
    public void Resume()
    {
        using Turns.Turn turn = _turns.Take();
        if (_boundary.IsOpen)
        {
            if (_eras.Failure != null) Run(static eras => eras.RequireNotFailed());
            return;
        }

        RequireRunning();
        if (_pause is not null && _isSuspended)
        {
            // The end of the pause carries out what was asked for last.
            _isSuspended = false;
            Wait(TargetState.Paused, why: null);
        }

        RequireNoPause();
        try
        {
            Open(_next);
        }
        catch (EraTargetException fault)
        {
            _whyWaiting = fault.Message;
            throw;
        }
    }

    /// <summary>Lets no more requests in, waits for those inside, flushes the origin, archives the era and commits. Requests wait
    /// until the device is resumed, a pause that ends meanwhile or not. A fault of the metadata does not keep a device from being
    /// suspended, and loses no mark.</summary>
    /// <exception cref="EraTargetException">The origin cannot be flushed: the device goes on.</exception>
    public void Suspend()
    {
        using Turns.Turn turn = _turns.Take();
        if (_boundary.IsOpen) Explained(_boundary.Close);
        _isSuspended = true;
        Wait(TargetState.Suspended, why: null);
    }

    /// <summary>As <see cref="Suspend"/>, until the result is let go of. One can be held at a time.</summary>
    /// <exception cref="EraTargetException">Requests wait already; or the origin cannot be flushed: the device goes
    /// on.</exception>
    public EraPause Pause()
    {
        using Turns.Turn turn = _turns.Take();
        RequireNoPause();
        if (!_boundary.IsOpen)
            throw new EraTargetException("suspended already: resume the device first", Errno.EINVAL);
        Explained(_boundary.Close);
        Wait(TargetState.Paused, why: null);
        uint next = _eras.Usage.CurrentEra + 1;
        EraMark? mark = MarkOf(next) is Guid found ? new EraMark(next, found) : null;
        return _pause = new EraPause(this, _boundary.Era, mark);
    }

    /// <summary>Changes the length of the device; one that is not suspended is suspended and resumed for it.</summary>
    /// <exception cref="EraTargetException">The origin is shorter, or there is no room in the metadata, or the origin cannot be
    /// flushed: the length is as before.</exception>
    public void Resize(long lengthSectors)
    {
        using Turns.Turn turn = _turns.Take();
        RequireRunning();
        EraTable last = _table;
        EraTable next = last.WithLength(lengthSectors);
        TableDevices.RequireLength(next, _origin);
        RequireCountable(next);
        if (!_boundary.IsOpen)
        {
            _next = next;
            return;
        }

        Explained(_boundary.Close);
        try { Open(next); }
        catch (EraTargetException)
        {
            try { Open(last); }
            catch (EraTargetException fault) { KeepTrying(fault); }
            throw;
        }
    }

    /// <summary>Suspends the device if need be, fails the requests that wait with ESHUTDOWN, and closes its devices.</summary>
    public void Dispose()
    {
        using Turns.Turn turn = _turns.Take();
        if (_isStopped) return;
        try
        {
            if (_boundary.IsOpen && _boundary.CloseForGood() is { } failure) _whyWaiting = $"the origin failed: {failure.Message}";
        }
        finally
        {
            _state = TargetState.Suspended;
            _isStopped = true;
            using (_retrying.Hold()) _retrying.PulseAll();
            _gate.Stop();
            _worker.Stop();
            _marks.Dispose();
            _metadataDevice.Dispose();
            _origin.Dispose();
        }
    }

    /// <summary>The end of a pause; nothing when it is over.</summary>
    /// <exception cref="EraTargetException">The device cannot go on yet; it is tried again until it can. Or it was stopped.</exception>
    internal void End(EraPause pause)
    {
        using Turns.Turn turn = _turns.Take();
        if (_pause != pause) return;
        _pause = null;
        RequireRunning();
        if (_isSuspended) return;
        try
        {
            Open(_next);
        }
        catch (EraTargetException fault)
        {
            KeepTrying(fault);
            throw;
        }
    }

    private void Open(EraTable table)
    {
        // While nothing was let in, the origin may have become shorter.
        TableDevices.RequireLength(table, _origin);
        RequireCountable(table);
        _loops.Look();
        Explained(() => _boundary.Open((uint)table.BlockCount, known => FirstNew(table, known), table.LengthBytes));
        _next = table;
        Volatile.Write(ref _table, table);
        _lengthBefore = table.LengthBytes;
        _isSuspended = false;
        Wait(TargetState.Active, why: null);
    }

    // A block that was partly there has something new, too; also when it was a program before this one that had only a part of it.
    private uint FirstNew(EraTable table, long known)
    {
        long before = known > 0 ? Math.Min(known, _lengthBefore) : _lengthBefore;
        return table.LengthBytes > before ? (uint)(before / table.BlockSizeBytes) : (uint)table.BlockCount;
    }

    private void Wait(TargetState state, string? why)
    {
        _whyWaiting = why;
        _state = state;
    }

    private void KeepTrying(EraTargetException fault)
    {
        Wait(TargetState.Resuming, fault.Message);
        _log($"cannot go on: {fault.Message}; requests wait, and it is tried again");
        if (_isRetrying) return;
        _isRetrying = true;
        _threads.Start("era resume", Retry);
    }

    private void Retry()
    {
        for (TimeSpan delay = FirstDelay; !TryToGoOn(delay); delay = delay * 2 < LongestDelay ? delay * 2 : LongestDelay)
        {
        }
    }

    // True when there is nothing more to try.
    private bool TryToGoOn(TimeSpan delay)
    {
        using (_retrying.Hold())
        {
            if (!Volatile.Read(ref _isStopped)) _retrying.Wait(delay);
        }

        using Turns.Turn turn = _turns.Take();
        if (_state != TargetState.Resuming || _isStopped) return !(_isRetrying = false);
        try
        {
            Open(_next);
            _log("goes on");
            return !(_isRetrying = false);
        }
        catch (EraTargetException fault)
        {
            _whyWaiting = fault.Message;
            return false;
        }
    }

    private void RequireNoPause()
    {
        if (_pause is not null)
            throw new EraTargetException("paused already: somebody else has its requests wait, and it goes on when they are done", Errno.EINVAL);
    }

    private void RequireRunning()
    {
        if (_isStopped) throw new EraTargetException("the device has been stopped", Errno.ESHUTDOWN);
    }

    private static void RequireCountable(EraTable table)
    {
        if (table.BlockCount > EraTable.MaxBlocks)
        {
            throw new EraTargetException(
                $"Invalid number of origin blocks {table.BlockCount}: choose a larger block size", Errno.EINVAL);
        }
    }
}
