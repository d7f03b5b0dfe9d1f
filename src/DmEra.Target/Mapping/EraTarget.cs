using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Metadata;
using DmEra.Target.Threads;

namespace DmEra.Target.Mapping;

/// <summary>What an era device is doing.</summary>
public enum TargetState
{
    /// <summary>Requests wait; the metadata is at rest. So every device begins.</summary>
    Suspended,

    /// <summary>Requests are served.</summary>
    Active,

    /// <summary>The metadata failed: reads, and writes to blocks marked in this era, go on; all other writes fail.
    /// Suspending and resuming opens the metadata anew.</summary>
    Failed,
}

/// <summary>
/// An era device: an origin whose writes are recorded, block by block, under the number of the current era
/// (kernel: dm-era-target.c). Every member may be used from any thread.
/// </summary>
/// <remarks>Operations that end eras take turns, and wait in the thread that asks for them, so that the thread that owns the
/// metadata never waits for a write. <see cref="Status"/>, <see cref="State"/> and <see cref="OpenHistory"/> wait for
/// nothing.</remarks>
public sealed class EraTarget : IDisposable
{
    private readonly IBlockDevice _metadataDevice;
    private readonly IBlockDevice _origin;
    private readonly EraMetadata _metadata;
    private readonly EraTransactions _eras;
    private readonly EraWorker _worker;
    private readonly RequestGate _gate;
    private readonly EraDevice _device;
    private readonly Turns _turns;
    private EraTable _table;
    private bool _isResumed;
    private bool _isStopped;

    private EraTarget(
        EraTable table, IBlockDevice metadataDevice, IBlockDevice origin, EraMetadata metadata, EraTargetOptions options)
    {
        _table = table;
        _metadataDevice = metadataDevice;
        _origin = origin;
        _metadata = metadata;
        _turns = new Turns(options.Threads);
        _gate = new RequestGate(options.Threads);
        _eras = new EraTransactions(metadata, options.Threads, options.Log);
        _worker = new EraWorker(_eras, options.Threads);
        _device = new EraDevice(origin, _gate, _worker, table.BlockSizeBytes);
        _device.SetLength(table.LengthBytes);
    }

    /// <summary>The device that clients use: the origin, with every change of it recorded. Disposing of it does
    /// nothing.</summary>
    public IBlockDevice Device => _device;

    /// <summary>The table in force.</summary>
    public EraTable Table => Volatile.Read(ref _table);

    /// <summary>The status as of the last commit, from memory.</summary>
    public EraStatus Status
    {
        get
        {
            EraTable table = Table;
            MetadataUsage usage = _eras.Usage;
            return new EraStatus(
                table.StartSectors,
                table.LengthSectors,
                IsFailed: _eras.Failure != null,
                usage.UsedBlocks,
                usage.TotalBlocks,
                usage.CurrentEra,
                usage.Snapshot);
        }
    }

    /// <summary>What the device is doing.</summary>
    public TargetState State =>
        !Volatile.Read(ref _isResumed) ? TargetState.Suspended
        : _eras.Failure != null ? TargetState.Failed
        : TargetState.Active;

    /// <summary>The fault that the metadata failed with, in one line; null when it has not.</summary>
    public string? FailureReason => _eras.Failure?.Message;

    /// <summary>Opens and locks the devices of a table, and formats metadata that is all zeroes. The device is
    /// suspended at first.</summary>
    /// <exception cref="EraTargetException">Something is wrong with the devices, which are left as they
    /// were.</exception>
    public static EraTarget Create(EraTable table, EraTargetOptions options)
    {
        (FileBlockDevice metadata, FileBlockDevice origin) = TableDevices.Open(table);
        try { return Create(table, metadata, origin, options); }
        catch
        {
            metadata.Dispose();
            origin.Dispose();
            throw;
        }
    }

    /// <summary>As <see cref="Create(EraTable, EraTargetOptions)"/>, on devices that are open already; they are
    /// disposed of with the target, but not when this fails.</summary>
    /// <exception cref="EraTargetException">Something is wrong with the devices.</exception>
    public static EraTarget Create(
        EraTable table, IBlockDevice metadata, IBlockDevice origin, EraTargetOptions options)
    {
        TableDevices.RequireDifferent(table, metadata, origin);
        TableDevices.RequireLength(table, origin);
        try
        {
            EraMetadata eras = EraMetadata.OpenOrFormat(
                metadata, options.CacheBlocks, table.BlockSizeSectors, options.Lineage ?? Guid.NewGuid());
            return new EraTarget(table, metadata, origin, eras, options);
        }
        catch (Exception fault) when (fault is not EraTargetException)
        {
            throw Faults.Explain($"Error reading metadata: {table.MetadataPath}", fault);
        }
    }

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
    /// the device is resumed. A fault of the metadata does not keep a device from being suspended.</summary>
    /// <exception cref="EraTargetException">The device was stopped.</exception>
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

    /// <summary>A view of what has been committed, to be read beside the running device. Metadata blocks that it needs
    /// are not used anew until it is disposed of.</summary>
    /// <exception cref="EraTargetException">The metadata cannot be read.</exception>
    public EraHistory OpenHistory()
    {
        Superblock committed = _metadata.Pin();
        bool isReleased = false;
        try { return new EraHistory(_metadataDevice, committed, Release); }
        catch (Exception fault)
        {
            Release();
            throw Faults.Explain(_table.MetadataPath, fault);
        }

        void Release()
        {
            if (!Interlocked.Exchange(ref isReleased, true)) _metadata.Unpin();
        }
    }

    /// <summary>Suspends the device if need be, fails the requests that wait with ESHUTDOWN, and closes its devices.</summary>
    public void Dispose()
    {
        using Turns.Turn turn = _turns.Take();
        if (_isStopped) return;
        Close();
        _isStopped = true;
        _gate.Stop();
        _worker.Stop();
        _metadataDevice.Dispose();
        _origin.Dispose();
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
            throw Faults.Explain(_table.MetadataPath, fault);
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
