using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.PersistentData.Blocks;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Metadata;

namespace DmEra.Target.Mapping;

/// <summary>What an era device is doing.</summary>
public enum TargetState
{
    /// <summary>Requests wait until somebody resumes the device; the metadata is at rest. So every device begins.</summary>
    Suspended,

    /// <summary>Requests are served.</summary>
    Active,

    /// <summary>Requests wait until whoever holds an <see cref="EraPause"/> lets go of it.</summary>
    Paused,

    /// <summary>Requests wait because the device cannot go on, as when its origin is away. It is tried again until it
    /// can; <see cref="EraTarget.FailureReason"/> says what is in the way.</summary>
    Resuming,

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
    private readonly OriginFlusher _flusher;
    private readonly BoundaryMarks _marks;
    private readonly EraBoundary _boundary;
    private readonly LoopWatch _loops;
    private readonly IThreads _threads;
    private readonly Action<string> _log;
    private readonly Turns _turns;
    private EraTable _table;

    private EraTarget(
        EraTable table, IBlockDevice metadataDevice, IBlockDevice origin, EraMetadata metadata, EraTargetOptions options)
    {
        _table = _next = table;
        _lengthBefore = table.LengthBytes;
        _metadataDevice = metadataDevice;
        _origin = origin;
        _metadata = metadata;
        _threads = options.Threads;
        _log = options.Log;
        _turns = new Turns(_threads);
        _retrying = _threads.CreateMonitor();
        _gate = new RequestGate(_threads);
        _flusher = new OriginFlusher(origin, _threads);
        DoubtfulOrigin doubtful = new(origin, table.BlockSizeBytes);
        MarkAhead markAhead = new(options.MarkAhead ?? MarkAhead.DefaultLimit(table.BlockSizeBytes));
        _eras = new EraTransactions(metadata, _threads, markAhead, options.Log);
        _worker = new EraWorker(_eras, markAhead, _threads);
        _device = new EraDevice(doubtful, _flusher, _gate, _worker, markAhead, table.BlockSizeBytes);
        _device.SetLength(table.LengthBytes);
        _marks = new BoundaryMarks(options.Chronicle, origin, options.Log);
        _loops = new LoopWatch([metadataDevice, origin], options.Log, static file => file.FindLoopWriter());
        _boundary = new EraBoundary(_gate, _worker, _device, doubtful, _flusher, _marks, _eras.Usage.CurrentEra);
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
                _boundary.Era,
                usage.Snapshot);
        }
    }

    /// <summary>Identifies the metadata through all its eras; null when that is not known, as the kernel blanks
    /// it.</summary>
    public Guid? Lineage => _eras.Usage.Lineage;

    /// <summary>What tells its history from others with the same numbers.</summary>
    public HistoryIdentity History => new(Lineage, Status.CurrentEra, Gap, MarkOf) { IsSettled = _marks.IsSettled };

    /// <summary>The era before whose beginning writes were last missed, as when the origin was changed by something else; 0 when
    /// nothing is known of such a thing.</summary>
    public uint Gap => _marks.Gap;

    /// <summary>Tells the file or device that is open as the origin from all others; null when it is none of this machine. Its
    /// path may lead to another one by now.</summary>
    public string? OriginIdentity => (_origin as FileBlockDevice)?.Identity;

    /// <summary>What the device is doing.</summary>
    public TargetState State => _state == TargetState.Active && _eras.Failure != null ? TargetState.Failed : _state;

    /// <summary>What keeps the device from doing all it should, in one line: its metadata failed, its origin cannot be flushed,
    /// or it cannot go on; null when nothing does.</summary>
    public string? FailureReason =>
        _eras.Failure is { } metadata ? $"the metadata failed: {metadata.Message}"
        : _flusher.Failure is { } origin ? $"the origin failed: {origin.Message}"
        : _whyWaiting;

    /// <summary>What makes its lists doubtful though nothing has failed, in one line, as that a loop device was made of its origin;
    /// null when nothing is known of such a thing. Looked for at every boundary between eras, and when it is asked for.</summary>
    public string? Warning => _loops.Look();

    /// <summary>Opens and locks the devices of a table, and formats metadata that is all zeroes. The device is
    /// suspended at first.</summary>
    /// <exception cref="EraTargetException">Something is wrong with the devices, which are left as they
    /// were.</exception>
    public static EraTarget Create(EraTable table, EraTargetOptions options)
    {
        (FileBlockDevice metadata, FileBlockDevice origin) = TableDevices.Open(table);
        try { return Create(table, metadata, origin, WithChronicle(options, table)); }
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
        try { return Create(table, metadata, origin, WithChronicle(options, table)); }
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
        Stabilize(table, origin);
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

    /// <summary>The mark of an era's beginning; null when it has none, as an era of the kernel.</summary>
    public Guid? MarkOf(uint era) => _marks.MarkOf(era);

    // A program that ran before may have died with writes that only the system's cache has. They belong to eras whose numbers
    // are told from now on.
    private static void Stabilize(EraTable table, IBlockDevice origin)
    {
        try { origin.Flush(); }
        catch (DeviceException fault) { throw Faults.Explain("", table.OriginPath, fault); }
    }

    /// <summary>A view of what has been committed, to be read beside the running device. Metadata blocks that it needs
    /// are not used anew until it is disposed of.</summary>
    /// <exception cref="EraTargetException">The metadata cannot be read.</exception>
    public EraHistory OpenHistory()
    {
        // In this order: what is committed later may have marks that are not needed, but none too few; and the device is never longer
        // than its metadata while it is in use, but may be while it cannot go on.
        uint era = _boundary.Era;
        Superblock committed = _metadata.Pin(out long pin);
        bool isReleased = false;
        try { return new EraHistory(_metadataDevice, committed, era, (uint)Table.BlockCount, Release); }
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

    private static EraTargetOptions WithChronicle(EraTargetOptions options, EraTable table) =>
        options with { Chronicle = options.Chronicle ?? new EraChronicle(table.MetadataPath, options.Log) };
}
