using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Scheduling;
using DmEra.Target.Mapping;

namespace DmEra.Simulation;

/// <summary>
/// One life of a device, from power on to power off: the real target on two simulated disks, clients that read, write,
/// discard, zero and flush, and an operator who checkpoints, takes snapshots, suspends and resizes.
/// </summary>
internal sealed class Life
{
    private const int Clients = 3;

    private readonly WorldShape _shape;
    private readonly Random _random;
    private readonly Scheduler _scheduler;
    private readonly EraModel _eras;
    private readonly ContentModel _content;
    private readonly SimulatedDisk _metadata;
    private readonly SimulatedDisk _origin;
    private readonly PowerCuts _powerCuts;
    private readonly bool _faultsAreDue;
    private EraTarget? _target;
    private int _clientsLeft = Clients;

    public Life(int seed, WorldShape shape, World world)
    {
        _shape = shape;
        _random = new Random(seed);
        _scheduler = new Scheduler(_random.Next());
        _eras = world.Eras;
        _content = world.Content;
        (FaultPlan metadataFaults, FaultPlan originFaults) = FaultMenu.Choose(_random, world.Coverage);
        _faultsAreDue = metadataFaults.IsFaulty || originFaults.IsFaulty;
        _metadata = new SimulatedDisk(_scheduler, metadataFaults, world.Metadata) { CanGrow = shape.MetadataCanGrow };
        _origin = new SimulatedDisk(_scheduler, originFaults, world.Origin);
        _powerCuts = new PowerCuts(world, _metadata, _random, shape);
        _metadata.Reached = OnDiskOperation;
        _origin.Reached = OnDiskOperation;
        _origin.Changed = (offset, length) =>
        {
            (int first, int end) = Blocks(offset, length);
            _eras.ReachOrigin(first, end);
        };
    }

    /// <summary>Lives until the power goes, or everybody is done and the device is stopped.</summary>
    public void Run()
    {
        _scheduler.Start("operator", Operate);
        _scheduler.Run();
    }

    /// <summary>What the disks hold when the power comes back.</summary>
    public (byte[] Metadata, byte[] Origin) PowerOff()
    {
        _eras.LosePower(NewestEra);
        return (_metadata.AfterPowerCut(_random), _origin.AfterPowerCut(_random));
    }

    // A transaction under way may have begun one era more than the status knows of.
    private uint NewestEra => (_target?.Status.CurrentEra ?? _eras.ToldEra) + 2;

    private void OnDiskOperation()
    {
        if (_scheduler.IsPowerCut) return;
        _powerCuts.Imagine();
        if (_random.Next(_shape.OperationsPerLife) == 0) _scheduler.CutPower();
    }

    private void Operate()
    {
        if (!TryOpen(out EraTarget? target)) return;
        _target = target;
        for (int i = 0; i < Clients; i++)
        {
            int seed = _random.Next();
            _scheduler.Start($"client {i}", () => Serve(new Random(seed)));
        }

        while (_clientsLeft > 0)
        {
            _scheduler.Wait(this, TimeSpan.FromMilliseconds(_random.Next(30)));
            Attempt(() => Control(target));
        }

        Attempt(() =>
        {
            if (target.State == TargetState.Suspended) target.Resume();
        });
        target.Dispose();
    }

    private bool TryOpen([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out EraTarget? target)
    {
        target = null;
        EraTarget? opened = null;
        Attempt(() =>
        {
            EraTable table = new(0, _shape.Sectors(_shape.Blocks), "metadata", "origin", WorldShape.SectorsPerBlock);
            EraTargetOptions options = new()
            {
                CacheBlocks = _shape.CacheBlocks,
                Lineage = Guid.Empty,
                Threads = new SimulatedThreads(_scheduler),
            };
            opened = EraTarget.Create(table, _metadata, _origin, options);
            opened.Resume();
            _eras.Tell(opened.Status.CurrentEra);
        });
        target = opened;
        return opened is not null;
    }

    private void Control(EraTarget target)
    {
        switch (_random.Next(10))
        {
            case < 4:
                _eras.Tell(target.Checkpoint());
                break;
            case 4:
                target.TakeMetadataSnapshot();
                _eras.Tell(target.Status.CurrentEra);
                break;
            case 5:
                target.DropMetadataSnapshot();
                break;
            case 6:
                target.Suspend();
                _scheduler.Wait(this, TimeSpan.FromMilliseconds(_random.Next(5)));
                Reopen(target);
                break;
            case 7:
                Resize(target);
                break;
            case 8 when target.State == TargetState.Failed:
                target.Suspend();
                Reopen(target);
                break;
            default:
                Read(target);
                break;
        }
    }

    private void Reopen(EraTarget target)
    {
        target.Resume();
        _eras.Tell(target.Status.CurrentEra);
    }

    private void Resize(EraTarget target)
    {
        int blocks = _random.Next(_shape.FixedBlocks, _shape.Blocks + 1);
        target.Resize(_shape.Sectors(blocks));
        _eras.Tell(target.Status.CurrentEra);
    }

    // A live view knows at least what had reached the origin when it was asked for.
    private void Read(EraTarget target)
    {
        uint[] needed = _eras.Needed();
        using DmEra.Target.History.EraHistory history = target.OpenHistory();
        uint[] eras = new uint[history.NrBlocks];
        history.ReadEras(0, eras);
        for (int block = 0; block < eras.Length; block++)
        {
            if (EraModel.FindLostMark(block, needed[block], eras[block]) is { } lie)
                throw new SimulationException($"live view: {lie}");
        }
    }

    private void Serve(Random random)
    {
        try
        {
            for (int i = 0; i < _shape.RequestsPerClient; i++) Attempt(() => Request(random));
        }
        finally
        {
            if (--_clientsLeft == 0) _scheduler.WakeAll(this);
        }
    }

    private void Request(Random random)
    {
        IBlockDevice device = _target!.Device;
        int sectors = (int)(device.Length / SimulatedDisk.Sector);
        int first = random.Next(sectors);
        int most = random.Next(4) == 0 ? sectors - first : Math.Min(sectors - first, 12);
        int count = 1 + random.Next(most);
        long offset = (long)first * SimulatedDisk.Sector;
        long length = (long)count * SimulatedDisk.Sector;
        switch (random.Next(10))
        {
            case 0 or 1:
                device.Read(offset, new byte[length]);
                break;
            case 2:
                long began = _content.BeginFlush();
                device.Flush();
                _content.EndFlush(began);
                break;
            case 3:
                Change(first, count, isZero: true, _ => device.Trim(offset, length));
                break;
            case 4:
                Change(first, count, isZero: true, _ => device.WriteZeroes(offset, length, ZeroingMode.MayDeallocate));
                break;
            case 5:
                // What the server does for one that must be quick, and what it does when it cannot be.
                Change(first, count, isZero: false, data =>
                {
                    if (!device.TryWriteNow(offset, data)) device.Write(offset, data);
                });
                break;
            default:
                Change(first, count, isZero: false, data => device.Write(offset, data));
                break;
        }
    }

    private void Change(int firstSector, int sectors, bool isZero, Action<byte[]> request)
    {
        (int first, int end) = Blocks((long)firstSector * SimulatedDisk.Sector, sectors * SimulatedDisk.Sector);
        ContentModel.Stamp stamp = _content.Begin(firstSector, sectors, isZero);
        _eras.Begin(first, end);
        try
        {
            request(ContentModel.BytesOf(stamp));
            _content.End(stamp);
        }
        finally
        {
            if (!_scheduler.IsPowerCut) _eras.End(first, end, NewestEra);
        }
    }

    /// <summary>Errors of the kinds that clients and operators must expect are part of life.</summary>
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
        catch (MetadataCorruptException) when (_faultsAreDue)
        {
            // A view of the history, read through a disk that returned something else.
        }
    }

    private static (int First, int End) Blocks(long offset, long length)
    {
        const int BlockBytes = WorldShape.SectorsPerBlock * SimulatedDisk.Sector;
        return ((int)(offset / BlockBytes), (int)((offset + length - 1) / BlockBytes) + 1);
    }
}
