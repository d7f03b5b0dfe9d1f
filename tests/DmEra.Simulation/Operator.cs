using DmEra.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Scheduling;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Simulation;

/// <summary>Somebody who checkpoints, takes and drops snapshots, suspends and resumes, pauses, resizes and looks, whatever
/// others are doing to the device at that moment.</summary>
internal sealed class Operator(RunningDevice device, Random random)
{
    private int _patience = 10;

    /// <summary>Does something.</summary>
    public void Act()
    {
        if (device.OriginMachine is not null && random.Next(12) == 0)
        {
            device.RollBack();
            return;
        }

        EraTarget target = device.Target;
        switch (random.Next(16))
        {
            case < 4:
                device.Checkpoint();
                break;
            case 4:
                device.TakeSnapshot();
                break;
            case 5:
                target.DropMetadataSnapshot();
                break;
            case 6:
                Reopen(() => { });
                break;
            case 7:
                Reopen(Resize);
                break;
            case 8:
                Resize();
                break;
            case 9 or 10:
                device.WhilePaused(_ => SaveAtTimes());
                break;
            case 11:
                device.Suspend();
                break;
            case < 15 when target.State is TargetState.Failed:
                device.World.Coverage.Count("failed device is reopened");
                Reopen(() => { });
                break;
            case < 15 when target.State is TargetState.Suspended or TargetState.Resuming:
                ResumeOrStop();
                break;
            default:
                Read();
                break;
        }
    }

    // A device that cannot go on, as when its origin has lost writes, must be stopped: what waits for it would do so for ever.
    private void ResumeOrStop()
    {
        try
        {
            device.Resume();
        }
        catch (EraTargetException refusal) when (refusal.Errno != Errno.ESHUTDOWN && --_patience == 0)    // another operator has stopped it
        {
            // With an origin elsewhere, which comes and goes, ten times may be bad luck.
            bool isFull = refusal.Message.Contains("is full", StringComparison.Ordinal);
            if (!isFull && !device.Faults.Happened && device.OriginMachine is null)
                throw new SimulationException($"a device does not go on though nothing has failed: {refusal.Message}");
            device.Target.Dispose();
            device.World.Coverage.Count("device that cannot go on is stopped");
        }
    }

    private void Reopen(Action meanwhile)
    {
        device.Suspend();
        Dawdle();
        meanwhile();
        Dawdle();
        device.Resume();
    }

    private void Resize() =>
        device.Resize(random.Next(device.World.Shape.FewestSectors, device.World.Shape.Sectors + 1));

    private void SaveAtTimes()
    {
        Dawdle();
        if (random.Next(2) == 0) device.World.Save((int)device.Target.Status.LengthSectors);
        Dawdle();
    }

    private void Dawdle() => device.Scheduler.Wait(this, TimeSpan.FromMilliseconds(random.Next(20)));

    // A live view knows at least what had reached the origin when it was asked for.
    private void Read()
    {
        uint[] needed = device.World.Eras.Needed();
        using EraHistory history = device.Target.OpenHistory();
        uint[] eras = new uint[history.NrBlocks];
        history.ReadEras(0, eras);
        for (int block = 0; block < eras.Length; block++)
        {
            if (EraModel.FindLostMark(block, needed[block], eras[block]) is { } lie)
                throw new SimulationException($"live view: {lie}");
        }
    }
}
