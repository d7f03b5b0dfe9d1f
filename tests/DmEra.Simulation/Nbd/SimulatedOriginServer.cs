using DmEra.Nbd.Client;
using DmEra.Nbd.Transport;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Nbd;

/// <summary>
/// Another machine, which serves a disk over NBD: the real server on its side, the real client on ours.
/// It crashes and forgets any part of what was not flushed, or only its program is restarted; it is away for a while, and
/// comes back.
/// </summary>
internal sealed class SimulatedOriginServer : INbdConnector
{
    private const int LongestAbsenceMilliseconds = 400;

    private readonly Scheduler _scheduler;
    private readonly Func<SimulatedDisk> _boot;
    private readonly Random _random;
    private SimulatedServer? _server;       // null while it is away

    /// <summary>Starts the machine.</summary>
    /// <param name="scheduler">Of the world.</param>
    /// <param name="boot">Gives the disk as the machine's next run has it.</param>
    /// <param name="random">Decides how long it is away, and how bytes arrive.</param>
    public SimulatedOriginServer(Scheduler scheduler, Func<SimulatedDisk> boot, Random random)
    {
        _scheduler = scheduler;
        _boot = boot;
        _random = random;
        _server = Boot();
    }

    /// <inheritdoc/>
    public INbdTransport Connect(out Action handshakeIsOver)
    {
        _scheduler.Yield();
        SimulatedConnection connection = _server?.Connect(new Random(_random.Next()))
            ?? throw new IOException("simulated origin server: away");
        handshakeIsOver = static () => { };
        return connection.ClientEnd;
    }

    /// <summary>Goes away, and comes back later.</summary>
    /// <param name="whileAway">What becomes of the disk at the moment at which it goes.</param>
    /// <returns>false when it is away already, and nothing was done.</returns>
    public bool Restart(Action whileAway)
    {
        if (_server is null) return false;
        SimulatedServer last = _server;
        _server = null;
        whileAway();
        last.Kill();
        _scheduler.Wait(this, TimeSpan.FromMilliseconds(_random.Next(LongestAbsenceMilliseconds)));
        _server = Boot();
        return true;
    }

    private SimulatedServer Boot() => new(_scheduler, _boot(), _random);
}
