using DmEra.Devices;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Scheduling;
using DmEra.Target.Mapping;

namespace DmEra.Simulation.Exhaustive;

/// <summary>One life of a small device: it is started, operations are done one after the other, and it is stopped, unless
/// one of them ends the life. An observer sees every era, and has at once what is listed.</summary>
internal sealed class SmallLife
{
    private static readonly TimeSpan LongEnoughToDigest = TimeSpan.FromSeconds(1);

    private readonly Scheduler _scheduler = new(seed: 0);
    private readonly RunningDevice _device;
    private readonly Observation _observation;
    private Ending _ending = Ending.Stopped;

    /// <summary>Begins a life on the disks of a world.</summary>
    /// <param name="world">The world.</param>
    /// <param name="reached">Called before every operation of a disk.</param>
    public SmallLife(World world, Action reached)
    {
        Random random = new(0);
        MetadataFaults = new FaultPlan(random) { FailedFlushForgets = true };
        OriginFaults = new FaultPlan(random) { FailedFlushForgets = true };
        _device = new RunningDevice(world, _scheduler, new DiskFaults("", MetadataFaults, OriginFaults), random)
        {
            Reached = () =>
            {
                if (!_scheduler.IsPowerCut) reached();
            },
        };
        _observation = new Observation(_device, world.Observers[0], random);
    }

    /// <summary>The device.</summary>
    public EraTarget Target => _device.Target;

    /// <summary>What is to go wrong with the metadata.</summary>
    public FaultPlan MetadataFaults { get; }

    /// <summary>What is to go wrong with the origin.</summary>
    public FaultPlan OriginFaults { get; }

    /// <summary>Lives.</summary>
    /// <param name="operations">Taken from here as they are done.</param>
    public Ending Run(Queue<SmallOperation> operations)
    {
        _scheduler.Start("client", () =>
        {
            Attempt(() => _device.Open(_device.World.Length));
            if (!_device.IsOpen) return;
            Attempt(Observe);
            while (IsInService() && operations.TryDequeue(out SmallOperation? operation)) Attempt(() => operation.Do(this));
            _scheduler.Wait(this, LongEnoughToDigest);
            Target.Dispose();
        });
        _scheduler.Run();
        if (_ending != Ending.Stopped) _device.EndLife();
        return _ending;
    }

    public void Write(int firstSector, int sectors) =>
        _device.Witness.Perform(firstSector, sectors, isZero: false, data => Target.Device.Write(Bytes(firstSector), data));

    public void Zero(int firstSector, int sectors) => _device.Witness.Perform(
        firstSector, sectors, isZero: true,
        _ => Target.Device.WriteZeroes(Bytes(firstSector), Bytes(sectors), ZeroingMode.KeepAllocated));

    public void Trim(int firstSector, int sectors) => _device.Witness.Perform(
        firstSector, sectors, isZero: true, _ => Target.Device.Trim(Bytes(firstSector), Bytes(sectors)));

    public void Flush() => _device.Witness.Flush(() =>
    {
        Target.Device.Flush();
        return true;
    });

    public void Checkpoint()
    {
        _device.Checkpoint();
        Observe();
    }

    public void TakeSnapshot()
    {
        _device.TakeSnapshot();
        Observe();
    }

    public void Reopen()
    {
        _device.Suspend();
        _device.Resume();
        Observe();
    }

    public void Resize(int sectors)
    {
        _device.Resize(sectors);
        Observe();
    }

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
        return Target.State is not TargetState.Suspended and not TargetState.Resuming;
    }

    private void Observe() => _observation.CopyChanges(Target.Status.CurrentEra, mark: null, "a status");

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
