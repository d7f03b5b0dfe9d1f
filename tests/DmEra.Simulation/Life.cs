using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Nbd;
using DmEra.Simulation.Scheduling;
using DmEra.Target.Mapping;

namespace DmEra.Simulation;

/// <summary>
/// One life of a device, from its start until it is stopped or the world ends it: the real target on two simulated disks,
/// behind the real NBD code, with clients, operators and observers.
/// </summary>
internal sealed class Life
{
    private const int Clients = 3;

    // Takes seconds, and a worker of the server is idle for half a minute before it ends.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    // Whatever is suspended, paused, restarted, away or slow, somebody sees to it sooner.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    // Who waits for so long is given the time in which it is noticed.
    private static readonly TimeSpan LongWait = TimeSpan.FromSeconds(1);

    private readonly World _world;
    private readonly Random _random;
    private readonly Scheduler _scheduler;
    private readonly RunningDevice _device;
    private readonly PowerCuts _powerCuts;
    private readonly List<SimulatedClient> _clients = [];
    private int _clientsLeft = Clients;
    private int _busy;

    /// <summary>Prepares a life.</summary>
    /// <param name="seed">Decides all of it.</param>
    /// <param name="world">Where it takes place.</param>
    /// <param name="choose">Chooses what goes wrong with the disks.</param>
    public Life(int seed, World world, Func<Random, DiskFaults> choose)
    {
        _world = world;
        _random = new Random(seed);
        _scheduler = new Scheduler(_random.Next()) { Longest = Longest };
        DiskFaults faults = choose(new Random(_random.Next()));
        _powerCuts = new PowerCuts(world, new Random(_random.Next()));
        _device = new RunningDevice(world, _scheduler, faults, _random) { Reached = OnDiskOperation };
    }

    /// <summary>Power cuts are imagined only once a fault has happened.</summary>
    public bool ImaginesAfterFaultsOnly { get; init; }

    /// <summary>Lives until the program dies or the power goes, or everybody is done and the device is stopped.</summary>
    public void Run()
    {
        _scheduler.Start("main", Serve);
        _scheduler.Run();
        CountWhatHappened();
        _device.EndLife();

        // When only the program died, what it had written is still visible, and no more stable than it was.
        if (_random.Next(3) == 0) _world.LoseProgram();
        else LosePower();
    }

    private void LosePower()
    {
        _world.Chronicle?.Tear(_random);
        _world.Restart(_world.Metadata.AfterPowerCut(_random), _world.Origin.AfterPowerCut(_random));
    }

    private void CountWhatHappened()
    {
        string end = _scheduler.IsPowerCut ? "cut short" : "lived to the end";
        _world.Coverage.Count($"life {end}");
        if (_world.Eras.HasMarksAhead) _world.Coverage.Count("blocks are marked ahead");
        if (_device.Faults.Happened) _world.Coverage.Count($"fault: {_device.Faults.Name}");
    }

    private void OnDiskOperation()
    {
        if (_scheduler.IsPowerCut) return;
        if ((!ImaginesAfterFaultsOnly || _device.Faults.Happened) && _powerCuts.Imagine() is { } lie) _scheduler.Fail(lie);
        TimeSpan wait = _clients.Select(client => client.Waits).DefaultIfEmpty().Max();
        if (wait > LongestWait) _scheduler.Fail($"a client has waited for {wait}, as if for ever");
        if (_random.Next(_world.Shape.OperationsPerLife) == 0 && wait < LongWait) _scheduler.CutPower();
    }

    private void Serve()
    {
        Attempt(() => _device.Open(_world.Length));
        if (!_device.IsOpen) return;
        SimulatedServer server = new(_scheduler, _device.Target.Device, new Random(_random.Next()));
        for (int i = 0; i < Clients; i++)
        {
            SimulatedClient client = new(_scheduler, server, _device.Witness, _world.Content, _world.Coverage, new Random(_random.Next()))
            {
                IsSequential = i == 0 && _world.Shape.MarkAhead > 0,
            };
            _clients.Add(client);
            Start($"client {i}", () =>
            {
                client.Run(_world.Shape.RequestsPerClient);
                _clientsLeft--;
            });
        }

        for (int i = 0; i < _world.Shape.Operators; i++)
        {
            Operator person = new(_device, new Random(_random.Next()));
            Start($"operator {i}", () => Repeat(person.Act));
        }

        foreach (Observer observer in _world.Observers)
        {
            Observation observation = new(_device, observer, new Random(_random.Next()));
            Start("observer", () => Repeat(observation.Make));
        }

        if (_random.Next(2) == 0) Start("server's administrator", () => Repeat(() => RestartAtTimes(server)));
        if (_device.OriginMachine is { } machine) Start("origin machine", () => Repeat(machine.Act));
        while (_busy > 0) _scheduler.Wait(this, Timeout.InfiniteTimeSpan);
        End(server);
    }

    private void End(SimulatedServer server)
    {
        EraTarget target = _device.Target;
        if (target.State == TargetState.Suspended) Attempt(_device.Resume);

        // Requests of clients that are gone would wait for ever.
        if (target.State is TargetState.Suspended or TargetState.Resuming) target.Dispose();
        server.TryStop();
        target.Dispose();
    }

    private void RestartAtTimes(SimulatedServer server)
    {
        if (_random.Next(12) > 0) return;
        server.Restart(TimeSpan.FromMilliseconds(_random.Next(10)));
        _world.Coverage.Count("NBD server is restarted");
    }

    private void Start(string name, Action body)
    {
        _busy++;
        _scheduler.Start(name, () =>
        {
            body();
            _busy--;
            _scheduler.WakeAll(this);
        });
    }

    /// <summary>Does something now and then, as long as there are clients.</summary>
    private void Repeat(Action action)
    {
        while (_clientsLeft > 0)
        {
            _scheduler.Wait(action, TimeSpan.FromMilliseconds(_random.Next(30)));
            Attempt(action);
        }
    }

    /// <summary>Errors of the kinds that people must expect are part of life.</summary>
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
        catch (MetadataCorruptException) when (_device.Faults.AreDue)
        {
            // A view of the history, read through a disk that returned something else.
        }
    }
}
