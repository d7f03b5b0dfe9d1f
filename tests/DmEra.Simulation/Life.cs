using System.Diagnostics.CodeAnalysis;
using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Nbd;
using DmEra.Simulation.Scheduling;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Simulation;

/// <summary>
/// One life of a device, from its start until it is stopped or the world ends it: the real target on two simulated disks,
/// behind the real NBD code; clients that read, write, discard, zero and flush; and an operator who checkpoints,
/// takes snapshots, suspends, resizes and resumes.
/// </summary>
internal sealed class Life
{
    private const int Clients = 3;

    private readonly WorldShape _shape;
    private readonly World _world;
    private readonly Random _random;
    private readonly Scheduler _scheduler;
    private readonly DiskFaults _faults;
    private readonly Witness _witness;
    private readonly SimulatedDisk _metadata;
    private readonly SimulatedDisk _origin;
    private readonly PowerCuts _powerCuts;
    private EraTarget? _target;
    private int _clientsLeft = Clients;

    /// <summary>Prepares a life.</summary>
    /// <param name="seed">Decides all of it.</param>
    /// <param name="world">Where it takes place.</param>
    /// <param name="choose">Chooses what goes wrong with the disks.</param>
    public Life(int seed, World world, Func<Random, DiskFaults> choose)
    {
        _shape = world.Shape;
        _world = world;
        _random = new Random(seed);
        _scheduler = new Scheduler(_random.Next());
        _witness = new Witness(world.Eras, world.Content, () => NewestEra);
        _faults = choose(new Random(_random.Next()));
        _metadata = new SimulatedDisk(_scheduler, _faults.Metadata, world.Metadata) { CanGrow = _shape.MetadataCanGrow };
        _origin = new SimulatedDisk(_scheduler, _faults.Origin, world.Origin);
        _powerCuts = new PowerCuts(world, new Random(_random.Next()));
        _metadata.Reached = OnDiskOperation;
        _origin.Reached = OnDiskOperation;
        _origin.Changed = (offset, length) =>
        {
            (int first, int end) = Witness.Blocks(offset, length);
            world.Eras.ReachOrigin(first, end);
        };
    }

    /// <summary>Power cuts are imagined only once a fault has happened.</summary>
    public bool ImaginesAfterFaultsOnly { get; init; }

    // A transaction under way may have begun one era more than the status knows of.
    private uint NewestEra => (_target?.Status.CurrentEra ?? _world.Eras.ToldEra) + 2;

    /// <summary>Lives until the program dies or the power goes, or everybody is done and the device is stopped.</summary>
    public void Run()
    {
        _scheduler.Start("operator", Operate);
        _scheduler.Run();
        CountWhatHappened();
        _world.Eras.LosePower(NewestEra);

        // When only the program died, what it had written is still visible, and no more stable than it was.
        if (_random.Next(3) == 0) return;
        _world.Restart(_world.Metadata.AfterPowerCut(_random), _world.Origin.AfterPowerCut(_random));
    }

    private void CountWhatHappened()
    {
        string end = _scheduler.IsPowerCut ? "cut short" : "lived to the end";
        _world.Coverage.Count($"life {end}");
        if (_faults.Happened) _world.Coverage.Count($"fault: {_faults.Name}");
    }

    private void OnDiskOperation()
    {
        if (_scheduler.IsPowerCut) return;
        if (!ImaginesAfterFaultsOnly || _faults.Happened) _powerCuts.Imagine();
        if (_random.Next(_shape.OperationsPerLife) == 0) _scheduler.CutPower();
    }

    private void Operate()
    {
        if (!TryOpen(out EraTarget? target)) return;
        SimulatedServer server = new(_scheduler, target.Device);
        for (int i = 0; i < Clients; i++)
        {
            SimulatedClient client = new(server, _witness, _world.Content, _world.Coverage, new Random(_random.Next()));
            _scheduler.Start($"client {i}", () => Serve(client));
        }

        while (_clientsLeft > 0 && !(target.HasLostWrites && target.State == TargetState.Suspended))
        {
            _scheduler.Wait(this, TimeSpan.FromMilliseconds(_random.Next(30)));
            Attempt(() => Control(target));
        }

        Attempt(() => ResumeIfSuspended(target));

        // Requests of clients that are gone would wait for ever.
        if (target.State is not (TargetState.Active or TargetState.Failed)) target.Dispose();
        server.AwaitConnections();
        target.Dispose();
    }

    private void Serve(SimulatedClient client)
    {
        client.Run(_shape.RequestsPerClient);
        if (--_clientsLeft == 0) _scheduler.WakeAll(this);
    }

    private bool TryOpen([NotNullWhen(true)] out EraTarget? target)
    {
        Attempt(() => ChangeSize(_shape.Blocks, () =>
        {
            EraTable table = new(0, _shape.Sectors(_shape.Blocks), "metadata", "origin", WorldShape.SectorsPerBlock);
            EraTargetOptions options = new()
            {
                CacheBlocks = _shape.CacheBlocks,
                Lineage = Guid.Empty,
                Threads = new SimulatedThreads(_scheduler),
            };
            _target = EraTarget.Create(table, _metadata, _origin, options);
            _target.Resume();
        }));
        target = _target;
        return target is not null;
    }

    private void Control(EraTarget target)
    {
        switch (_random.Next(10))
        {
            case < 4:
                _world.Eras.Tell(target.Checkpoint());
                break;
            case 4:
                target.TakeMetadataSnapshot();
                TellEra();
                break;
            case 5:
                target.DropMetadataSnapshot();
                break;
            case 6 when _random.Next(2) == 0:
                Pause(target);
                break;
            case 6:
                Reopen(target);
                break;
            case 7:
                int blocks = _random.Next(_shape.FewestBlocks, _shape.Blocks + 1);
                ChangeSize(blocks, () => target.Resize(_shape.Sectors(blocks)));
                break;
            case 8 or 9 when target.State == TargetState.Failed:
                _world.Coverage.Count("failed device is reopened");
                Reopen(target);
                break;
            default:
                Read(target);
                break;
        }
    }

    private void Reopen(EraTarget target)
    {
        target.Suspend();
        _scheduler.Wait(this, TimeSpan.FromMilliseconds(_random.Next(5)));
        target.Resume();
        TellEra();
    }

    private void Pause(EraTarget target)
    {
        using EraPause pause = target.Pause();
        _scheduler.Wait(this, TimeSpan.FromMilliseconds(_random.Next(5)));
        pause.End();
        TellEra();
    }

    private void ResumeIfSuspended(EraTarget target)
    {
        if (target.State != TargetState.Suspended) return;
        target.Resume();
        TellEra();
    }

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

    private void TellEra() => _world.Eras.Tell(_target!.Status.CurrentEra);

    // A live view knows at least what had reached the origin when it was asked for.
    private void Read(EraTarget target)
    {
        uint[] needed = _world.Eras.Needed();
        using EraHistory history = target.OpenHistory();
        uint[] eras = new uint[history.NrBlocks];
        history.ReadEras(0, eras);
        for (int block = 0; block < eras.Length; block++)
        {
            if (EraModel.FindLostMark(block, needed[block], eras[block]) is { } lie)
                throw new SimulationException($"live view: {lie}");
        }
    }

    /// <summary>Errors of the kinds that operators must expect are part of life.</summary>
    private void Attempt(Action action)
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
        catch (MetadataCorruptException) when (_faults.AreDue)
        {
            // A view of the history, read through a disk that returned something else.
        }
    }
}
