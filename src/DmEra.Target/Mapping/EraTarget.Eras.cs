using DmEra.Devices;
using DmEra.Devices.Threads;

namespace DmEra.Target.Mapping;

// Beginning and ending eras. Each operation waits for its turn.
public sealed partial class EraTarget
{
    /// <summary>Reads the metadata from what is on disk, starts a new era and lets requests in. Nothing happens when
    /// the device is active.</summary>
    /// <exception cref="EraTargetException">The device stays suspended; or it has failed, and must be suspended
    /// first.</exception>
    public void Resume()
    {
        using Turns.Turn turn = _turns.Take();
        if (!_isResumed) Open(_table);
        else if (_eras.Failure != null) Run(static eras => eras.RequireNotFailed());
    }

    /// <summary>Lets no more requests in, waits for those inside, archives the era and commits. Requests wait until
    /// the device is resumed. A fault of the metadata does not keep a device from being suspended, and loses no
    /// mark.</summary>
    public void Suspend()
    {
        using Turns.Turn turn = _turns.Take();
        Close();
    }

    /// <summary>Changes the length of the device; one that is not suspended is suspended and resumed for it.</summary>
    /// <exception cref="EraTargetException">The origin is shorter, or there is no room in the metadata: the length
    /// is as before.</exception>
    public void Resize(long lengthSectors)
    {
        using Turns.Turn turn = _turns.Take();
        EraTable last = _table;
        EraTable next = last.WithLength(lengthSectors);
        TableDevices.RequireLength(next, _origin);
        RequireCountable(next);
        if (!_isResumed)
        {
            SetTable(next);
            return;
        }

        Close();
        try { Open(next); }
        catch (EraTargetException)
        {
            Open(last);
            throw;
        }
    }

    /// <summary>Starts a new era, and returns its number when every write that is recorded in an older one has
    /// completed.</summary>
    /// <exception cref="EraTargetException">The device is suspended or failed, or there is no room.</exception>
    public uint Checkpoint()
    {
        using Turns.Turn turn = _turns.Take();
        return RollOver();
    }

    /// <summary>Starts a new era, and keeps the metadata of all earlier ones readable until it is dropped.</summary>
    /// <exception cref="EraTargetException">A snapshot is held already; or as for <see cref="Checkpoint"/>.</exception>
    public void TakeMetadataSnapshot()
    {
        using Turns.Turn turn = _turns.Take();
        Run(static eras => eras.RequireNoSnapshot());
        RollOver();
        Run(static eras => eras.TakeSnapshot());
    }

    /// <summary>Lets go of the metadata snapshot; also while suspended, for it may be what takes the room that
    /// resuming needs.</summary>
    /// <exception cref="EraTargetException">None is held; or the metadata failed.</exception>
    public void DropMetadataSnapshot()
    {
        using Turns.Turn turn = _turns.Take();
        Run(static eras => eras.DropSnapshot());
    }

    /// <summary>A message in the kernel's words, in upper or lower case: <c>checkpoint</c>,
    /// <c>take_metadata_snap</c>, <c>drop_metadata_snap</c>.</summary>
    /// <exception cref="EraTargetException">There is no such message, or it failed.</exception>
    public void Message(params string[] words)
    {
        if (words is not [string word])
        {
            throw new EraTargetException(
                $"incorrect number of message arguments: {words.Length}, not 1", Errno.EINVAL);
        }

        switch (word.ToLowerInvariant())
        {
            case "checkpoint":
                Checkpoint();
                break;
            case "take_metadata_snap":
                TakeMetadataSnapshot();
                break;
            case "drop_metadata_snap":
                DropMetadataSnapshot();
                break;
            default:
                throw new EraTargetException(
                    $"unsupported message '{word}': there are checkpoint, take_metadata_snap and drop_metadata_snap",
                    Errno.EINVAL);
        }
    }

    private void Open(EraTable table)
    {
        TableDevices.RequireLength(table, _origin);
        RequireCountable(table);
        Writeset writeset = Run(eras => eras.Resume((uint)table.BlockCount));
        SetTable(table);
        _gate.Switch(writeset);
        Volatile.Write(ref _isResumed, true);
    }

    private void Close()
    {
        if (!_isResumed) return;
        Writeset? last = _gate.Switch(null);

        // The worker still marks for the writes that are inside.
        last?.Writes.WaitUntilNone();
        _gate.DrainReads();
        Run(static eras => eras.Archive());
        Volatile.Write(ref _isResumed, false);
    }

    private uint RollOver()
    {
        Writeset next = Run(static eras => eras.RollOver());
        Writeset? last = _gate.Switch(next);

        // A checkpoint is a barrier: what only the older era records has reached the origin when it returns. Not the worker
        // but this thread waits, since the writes that are inside may wait for the worker.
        last?.Writes.WaitUntilNone();
        return next.Era;
    }

    private void SetTable(EraTable table)
    {
        Volatile.Write(ref _table, table);
        _device.SetLength(table.LengthBytes);
    }

    private void Run(Action<EraTransactions> call) =>
        Run<object?>(eras =>
        {
            call(eras);
            return null;
        });

    private T Run<T>(Func<EraTransactions, T> call)
    {
        try { return _worker.Run(call); }
        catch (Exception fault) when (fault is not EraTargetException)
        {
            throw Faults.Explain("", _table.MetadataPath, fault);
        }
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
