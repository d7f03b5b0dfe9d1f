using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Nbd;

/// <summary>
/// The real server, with its threads, workers and timers on the scheduler; only the sockets are not real: clients come on
/// connections in memory. Its limits are narrow, so that it reaches them.
/// </summary>
internal sealed class SimulatedServer : INbdLog
{
    private readonly Scheduler _scheduler;
    private readonly IBlockDevice _device;
    private readonly NbdServerOptions _options;
    private readonly List<SimulatedConnection> _connections = [];
    private NbdServer? _server;     // null while it is away

    /// <summary>Starts a server.</summary>
    /// <param name="scheduler">Of the world.</param>
    /// <param name="device">What it serves.</param>
    /// <param name="random">Decides its limits.</param>
    public SimulatedServer(Scheduler scheduler, IBlockDevice device, Random random)
    {
        _scheduler = scheduler;
        _device = device;
        _options = new NbdServerOptions
        {
            MaxConnections = random.Next(4, 8),
            BusyWorkers = random.Next(1, 6),
            SharedBytes = random.Next(3) == 0 ? 0 : 1 << 20,
            HandshakeTimeout = TimeSpan.FromMilliseconds(random.Next(20, 100)),
            DrainTimeout = TimeSpan.FromMilliseconds(random.Next(20, 200)),
            Threads = new SimulatedThreads(scheduler),
            Log = this,
        };
        _server = Open();
    }

    /// <summary>Requests that the device has failed.</summary>
    public int Faults { get; private set; }

    /// <summary>How often it was stopped.</summary>
    public int Stops { get; private set; }

    /// <summary>A client connects.</summary>
    /// <param name="random">Decides how bytes arrive.</param>
    /// <returns>null while nobody listens.</returns>
    public SimulatedConnection? Connect(Random random)
    {
        if (_server is not { } server) return null;
        SimulatedConnection connection = new(_scheduler, random);
        _connections.RemoveAll(old => old.IsClosed);
        _connections.Add(connection);
        server.Accept(connection, address: null);
        return connection;
    }

    /// <summary>Stops it as a signal does, and starts it again later. One that is away already stays so.</summary>
    public void Restart(TimeSpan absence)
    {
        if (!TryStop()) return;
        _scheduler.Wait(this, absence);
        _server = Open();
    }

    /// <summary>Stops it as a signal does.</summary>
    /// <returns>false when it is away already.</returns>
    public bool TryStop()
    {
        if (_server is not { } server) return false;
        _server = null;
        Stops++;
        server.Stop();
        return true;
    }

    /// <summary>It is killed: all connections end at once, and nobody is left to wait for requests under way.</summary>
    public void Kill()
    {
        _server = null;
        Stops++;
        foreach (SimulatedConnection connection in _connections) connection.Abort();
    }

    void INbdLog.Note(string message)
    {
    }

    // It takes care of everything that a device or a client can do; what else it reports is a fault of its own.
    void INbdLog.Fault(string message, Exception cause)
    {
        if (cause is DeviceException) Faults++;
        else if (!_scheduler.IsPowerCut) _scheduler.Fail($"the server reports a fault of its own: {message}: {cause}");
    }

    private NbdServer Open() => new([new NbdExport("", _device, new BlockStatusCatalog())], _options);
}
