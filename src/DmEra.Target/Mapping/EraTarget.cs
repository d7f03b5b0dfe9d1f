using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Target.Metadata;

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
public sealed partial class EraTarget : IDisposable
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
        _device = new EraDevice(origin, _gate, _worker, new MarkAhead(options.MarkAhead), table.BlockSizeBytes);
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

    /// <summary>Identifies the metadata through all its eras; null when that is not known, as the kernel blanks
    /// it.</summary>
    public Guid? Lineage => _eras.Usage.Lineage;

    /// <summary>Tells the file or device that is open as the origin from all others; null when it is none of this machine. Its
    /// path may lead to another one by now.</summary>
    public string? OriginIdentity => (_origin as FileBlockDevice)?.Identity;

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

    /// <summary>As <see cref="Create(EraTable, EraTargetOptions)"/>, on an origin that is open already; it is disposed of
    /// with the target, but not when this fails.</summary>
    /// <exception cref="EraTargetException">Something is wrong with the devices.</exception>
    public static EraTarget Create(EraTable table, IBlockDevice origin, EraTargetOptions options)
    {
        FileBlockDevice metadata = TableDevices.OpenMetadata(table);
        try { return Create(table, metadata, origin, options); }
        catch
        {
            metadata.Dispose();
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
        catch (Exception fault) when (fault is MetadataException or DeviceException)
        {
            throw Faults.Explain("Error reading metadata", table.MetadataPath, fault);
        }
    }

    /// <summary>A view of what has been committed, to be read beside the running device. Metadata blocks that it needs
    /// are not used anew until it is disposed of.</summary>
    /// <exception cref="EraTargetException">The metadata cannot be read.</exception>
    public EraHistory OpenHistory()
    {
        Superblock committed = _metadata.Pin(out long pin);
        bool isReleased = false;
        try { return new EraHistory(_metadataDevice, committed, Release); }
        catch (Exception fault)
        {
            Release();
            throw Faults.Explain("", _table.MetadataPath, fault);
        }

        void Release()
        {
            if (!Interlocked.Exchange(ref isReleased, true)) _metadata.Unpin(pin);
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
}
