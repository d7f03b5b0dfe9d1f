using DmEra.Nbd.Client;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Nbd;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation;

/// <summary>The machine that has the origin of a world, where that is another one than the target's.</summary>
internal sealed class OriginMachine
{
    private readonly World _world;
    private readonly Func<SimulatedDisk> _attach;
    private readonly SimulatedOriginServer _server;
    private readonly Scheduler _scheduler;
    private readonly Random _random;

    // Nothing that an earlier run of the machine has under way may reach the disk, or count.
    private SimulatedDisk _disk;

    /// <summary>Starts it.</summary>
    /// <param name="world">Where.</param>
    /// <param name="scheduler">Of this life.</param>
    /// <param name="attach">Connects the origin of the world as it is now.</param>
    /// <param name="random">Decides what happens to it.</param>
    public OriginMachine(World world, Scheduler scheduler, Func<SimulatedDisk> attach, Random random)
    {
        _world = world;
        _scheduler = scheduler;
        _attach = attach;
        _random = random;
        _disk = attach();
        _server = new SimulatedOriginServer(scheduler, () => _disk, new Random(random.Next()));
    }

    /// <summary>Connects to it as the product does.</summary>
    public NbdBlockDevice Connect() => NbdBlockDevice.Open(
        NbdUri.Parse("nbd://origin/"),
        _server,
        new NbdClientOptions
        {
            Connections = _random.Next(1, 3),
            RetryTime = TimeSpan.FromMilliseconds(_random.Next(100, 500)),
            UnstableBytes = _random.Next(2) == 0 ? 8 << 10 : 64 << 20,
            Threads = new SimulatedThreads(_scheduler),
        });

    /// <summary>Now and then it crashes, or its program is restarted.</summary>
    public void Act()
    {
        if (_random.Next(4) > 0) return;
        bool crashes = _random.Next(3) > 0;
        _world.Coverage.Count(crashes ? "origin server crashes" : "origin server restarts");
        _server.Restart(() => Detach(() =>
        {
            if (crashes) _world.CrashOrigin(_random);
            else _world.DetachOrigin();
        }));
    }

    /// <summary>Older content takes the place of the origin's.</summary>
    public void RollBack()
    {
        if (_server.Restart(() => Detach(() => _world.RollBackOrigin(_random)))) _world.Coverage.Count("origin is rolled back");
    }

    private void Detach(Action change)
    {
        (_disk.Reached, _disk.Changed) = (null, null);
        change();
        _disk = _attach();
    }
}
