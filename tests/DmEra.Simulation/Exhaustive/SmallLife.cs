using DmEra.Devices;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Scheduling;
using DmEra.Target.Mapping;

namespace DmEra.Simulation.Exhaustive;

/// <summary>One life of a small device: it is started, operations are done one after the other, and it is stopped, unless
/// one of them ends the life.</summary>
internal sealed class SmallLife
{
    private static readonly TimeSpan LongEnoughToDigest = TimeSpan.FromSeconds(1);

    private readonly Scheduler _scheduler = new(seed: 0);
    private readonly World _world;
    private readonly Witness _witness;
    private readonly SimulatedDisk _metadata;
    private readonly SimulatedDisk _origin;
    private EraTarget? _target;
    private Ending _ending = Ending.Stopped;

    /// <summary>Begins a life on the disks of a world.</summary>
    /// <param name="world">The world.</param>
    /// <param name="reached">Called before every operation of a disk.</param>
    public SmallLife(World world, Action reached)
    {
        _world = world;
        _witness = new Witness(world.Eras, world.Content, () => NewestEra);
        Random random = new(0);
        MetadataFaults = new FaultPlan(random) { FailedFlushForgets = true };
        _metadata = new SimulatedDisk(_scheduler, MetadataFaults, world.Metadata);
        _origin = new SimulatedDisk(_scheduler, new FaultPlan(random), world.Origin);
        _metadata.Reached = _origin.Reached = () =>
        {
            if (!_scheduler.IsPowerCut) reached();
        };
        _origin.Changed = (offset, length) =>
        {
            (int first, int end) = Witness.Blocks(offset, length);
            world.Eras.ReachOrigin(first, end);
        };
    }

    /// <summary>The device.</summary>
    public EraTarget Target => _target!;

    /// <summary>What is to go wrong.</summary>
    public FaultPlan MetadataFaults { get; }

    private uint NewestEra => (_target?.Status.CurrentEra ?? _world.Eras.ToldEra) + 2;

    /// <summary>Lives.</summary>
    /// <param name="operations">Taken from here as they are done.</param>
    public Ending Run(Queue<SmallOperation> operations)
    {
        _scheduler.Start("client", () =>
        {
            Attempt(Open);
            if (_target is null) return;
            while (IsInService() && operations.TryDequeue(out SmallOperation? operation)) Attempt(() => operation.Do(this));
            _scheduler.Wait(this, LongEnoughToDigest);
            _target.Dispose();
        });
        _scheduler.Run();
        if (_ending != Ending.Stopped) _world.Eras.LosePower(NewestEra);
        return _ending;
    }

    public void Write(int firstSector, int sectors) =>
        _witness.Perform(firstSector, sectors, isZero: false, data => Target.Device.Write(Bytes(firstSector), data));

    public void Zero(int firstSector, int sectors) => _witness.Perform(
        firstSector, sectors, isZero: true,
        _ => Target.Device.WriteZeroes(Bytes(firstSector), Bytes(sectors), ZeroingMode.KeepAllocated));

    public void Trim(int firstSector, int sectors) => _witness.Perform(
        firstSector, sectors, isZero: true, _ => Target.Device.Trim(Bytes(firstSector), Bytes(sectors)));

    public void Flush() => _witness.Flush(Target.Device.Flush);

    public void Checkpoint() => _world.Eras.Tell(Target.Checkpoint());

    public void TakeSnapshot()
    {
        Target.TakeMetadataSnapshot();
        TellEra();
    }

    public void Reopen()
    {
        Target.Suspend();
        Target.Resume();
        TellEra();
    }

    public void Resize(int blocks) => ChangeSize(blocks, () => Target.Resize(_world.Shape.Sectors(blocks)));

    /// <summary>Ends the life at once.</summary>
    public void End(Ending ending)
    {
        _ending = ending;
        _scheduler.CutPower();
        _scheduler.Yield();
    }

    // Requests to a suspended device would wait for ever.
    private bool IsInService()
    {
        if (Target.State == TargetState.Suspended) Attempt(Reopen);
        return Target.State != TargetState.Suspended;
    }

    private void Open() => ChangeSize(_world.Shape.Blocks, () =>
    {
        EraTable table = new(0, _world.Shape.Sectors(_world.Shape.Blocks), "metadata", "origin", WorldShape.SectorsPerBlock);
        EraTargetOptions options = new() { CacheBlocks = 64, Lineage = Guid.Empty, Threads = new SimulatedThreads(_scheduler) };
        _target = EraTarget.Create(table, _metadata, _origin, options);
        _target.Resume();
    });

    private void ChangeSize(int blocks, Action change)
    {
        (int First, int End) gained = _world.Eras.BeginResize(blocks);
        bool done = false;
        try
        {
            change();
            TellEra();
            done = true;
        }
        finally
        {
            if (!_scheduler.IsPowerCut) _world.Eras.EndResize(gained, done ? blocks : null, NewestEra);
        }
    }

    private void TellEra() => _world.Eras.Tell(Target.Status.CurrentEra);

    private static long Bytes(int sectors) => (long)sectors * DiskContent.Sector;

    /// <summary>What is asked for in vain, or fails because a fault was wanted, is part of life.</summary>
    private static void Attempt(Action action)
    {
        try
        {
            action();
        }
        catch (EraTargetException)
        {
        }
        catch (DeviceException)
        {
        }
    }
}
