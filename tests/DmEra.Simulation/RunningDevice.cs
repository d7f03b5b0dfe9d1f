using DmEra.Devices;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Scheduling;
using DmEra.Target.Chronicles;
using DmEra.Target.Mapping;

namespace DmEra.Simulation;

/// <summary>The real target on two simulated disks, in one life of a world; the origin may be on another machine, and reached by
/// the real NBD client. What is done to it here, the models hear of.</summary>
internal sealed class RunningDevice
{
    private static readonly Guid Lineage = new("6572612d-0000-4000-8000-000000000001");

    private readonly SimulatedDisk _metadata;
    private readonly Random _random;
    private readonly Action _reached = static () => { };
    private readonly EraChronicle? _chronicle;
    private EraTarget? _target;
    private bool _isResizing;
    private int _resumes;       // begun
    private int _resuming;      // begun and not over
    private bool _isSuspended;  // for certain: a suspend has returned, and no resume was asked for since it began
    private int _pauses;        // granted and not ended

    /// <summary>Connects the disks of a world.</summary>
    public RunningDevice(World world, Scheduler scheduler, DiskFaults faults, Random random)
    {
        World = world;
        Scheduler = scheduler;
        Faults = faults;
        _random = random;
        Witness = new Witness(world.Eras, world.Content, () => world.NewestEra);
        _metadata = new SimulatedDisk(scheduler, faults.Metadata, world.Metadata)
        {
            CanGrow = world.Shape.MetadataCanGrow,
            Space = world.MetadataSpace,
        };
        _chronicle = world.Chronicle?.Open();
        world.BeginLife();
    }

    public World World { get; }

    public Scheduler Scheduler { get; }

    public DiskFaults Faults { get; }

    public Witness Witness { get; }

    /// <summary>Called before every operation of a disk.</summary>
    public Action Reached
    {
        init => _metadata.Reached = _reached = value;
    }

    /// <summary>The machine of the origin, once it is open; null when that is ours.</summary>
    public OriginMachine? OriginMachine { get; private set; }

    /// <summary>Whether it was opened at all.</summary>
    public bool IsOpen => _target is not null;

    /// <summary>The target, once it is open.</summary>
    public EraTarget Target => _target!;

    /// <summary>Starts a device of this length.</summary>
    public void Open(int sectors) => ChangeLength(sectors, () =>
    {
        EraTable table = new(0, sectors, "metadata", "origin", WorldShape.SectorsPerBlock);
        EraTargetOptions options = new()
        {
            CacheBlocks = World.Shape.CacheBlocks,
            MarkAhead = (uint)World.Shape.MarkAhead,
            Lineage = _chronicle is null ? Guid.Empty : Lineage,
            Chronicle = _chronicle,
            Threads = new SimulatedThreads(Scheduler),
        };
        _target = Create(table, options);
        _target.Resume();
    });

    /// <summary>The era that a status tells.</summary>
    public uint TellEra() => Tell(Target.Status.CurrentEra);

    /// <summary>Somebody has seen the number of this era.</summary>
    public uint Tell(uint era)
    {
        World.Eras.Tell(era);
        return era;
    }

    public uint Checkpoint() => Tell(Witness.Flush(Target.Checkpoint));

    public void TakeSnapshot()
    {
        Witness.Flush(() =>
        {
            Target.TakeMetadataSnapshot();
            return true;
        });
        TellEra();
    }

    public void Suspend()
    {
        // One that has not begun to work has flushed nothing, and need not.
        if (Target.State == TargetState.Suspended)
        {
            Target.Suspend();
            return;
        }

        int resumes = _resumes;
        bool isCertain = _resuming == 0;
        _isSuspended = Witness.Flush(() =>
        {
            Target.Suspend();
            return isCertain && resumes == _resumes;
        });
    }

    public void Resume()
    {
        LetIn(Target.Resume);
        TellEra();
    }

    /// <summary>Has older content put in the place of the origin's, while the device is suspended.</summary>
    public void RollBack()
    {
        Suspend();
        if (_isSuspended && _pauses == 0) OriginMachine!.RollBack();
        Resume();
    }

    /// <summary>Changes the length, unless somebody else is doing so.</summary>
    public void Resize(int sectors)
    {
        if (_isResizing) return;
        _isResizing = true;
        try
        {
            ChangeLength(sectors, () => LetIn(() => Target.Resize(sectors)));
        }
        finally
        {
            _isResizing = false;
        }
    }

    /// <summary>Has requests wait while something is done.</summary>
    public void WhilePaused(Action<EraPause> action)
    {
        EraPause pause = Witness.Flush(Target.Pause);
        _pauses++;
        try
        {
            action(pause);
        }
        finally
        {
            _pauses--;
            pause.Dispose();
        }
    }

    /// <summary>The power went, or everything is over: what the device was like stays.</summary>
    public void EndLife()
    {
        if (_target is not null) World.Length = (int)_target.Status.LengthSectors;
        _chronicle?.Dispose();
        World.Eras.LosePower(World.NewestEra);
    }

    private EraTarget Create(EraTable table, EraTargetOptions options)
    {
        IBlockDevice origin = ConnectOrigin();
        try
        {
            return EraTarget.Create(table, _metadata, origin, options);
        }
        catch
        {
            origin.Dispose();
            throw;
        }
    }

    private IBlockDevice ConnectOrigin()
    {
        if (!World.Shape.HasRemoteOrigin) return AttachOrigin();
        OriginMachine = new OriginMachine(World, Scheduler, AttachOrigin, new Random(_random.Next()));
        return OriginMachine.Connect();
    }

    private SimulatedDisk AttachOrigin() =>
        new(Scheduler, Faults.Origin, World.Origin) { Reached = _reached, Changed = OnOriginChange };

    private void LetIn(Action action)
    {
        _isSuspended = false;
        _resumes++;
        _resuming++;
        int putOff = World.Eras.PutOffCount;
        try
        {
            action();
        }
        finally
        {
            _resuming--;
        }

        World.Eras.EndOpening(putOff, World.NewestEra);
    }

    private void ChangeLength(int sectors, Action change)
    {
        EraModel.Resize resize = World.Eras.BeginResize(sectors);
        bool isInForce = false;
        try
        {
            change();
            TellEra();
            isInForce = Target.State == TargetState.Active;
        }
        finally
        {
            if (isInForce) World.Eras.EndResize(resize, World.NewestEra);
            else World.Eras.PutOff(resize);
        }
    }

    private void OnOriginChange(long offset, int length)
    {
        (int first, int end) = Witness.Blocks(offset, length);
        World.Eras.ReachOrigin(first, end);
        if (_pauses > 0) Scheduler.Fail($"the origin changes in block {first} though somebody was granted a pause");
        if (_isSuspended) Scheduler.Fail($"the origin changes in block {first} though the device was suspended");
    }
}
