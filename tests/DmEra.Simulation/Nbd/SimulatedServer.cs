using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Transmission;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Nbd;

/// <summary>
/// The real handshake and the real request code, on connections in memory; threads and workers are the scheduler's. Of
/// the server only sockets, its limits and the pool of its workers are not part of it.
/// </summary>
internal sealed class SimulatedServer(Scheduler scheduler, IBlockDevice device)
{
    private readonly NbdBuffers _buffers = new();
    private readonly List<SimulatedConnection> _connections = [];

    /// <summary>A client connects.</summary>
    /// <param name="random">Decides how bytes arrive.</param>
    /// <param name="over">Called when the server is done with the connection.</param>
    public SimulatedConnection Connect(Random random, Action over)
    {
        SimulatedConnection connection = new(scheduler, random);
        _connections.Add(connection);
        scheduler.Start("nbd connection", () =>
        {
            Serve(connection);
            _connections.Remove(connection);
            over();
            scheduler.WakeAll(this);
        });
        return connection;
    }

    /// <summary>Waits until all connections are over.</summary>
    public void AwaitConnections()
    {
        while (_connections.Count > 0) scheduler.Wait(this, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Ends all connections at once, as when the machine crashes.</summary>
    public void EndConnections()
    {
        foreach (SimulatedConnection connection in _connections) connection.Abort();
    }

    private void Serve(SimulatedConnection connection)
    {
        Crew crew = new(scheduler, connection);
        connection.PowerLost = crew.Abandon;
        NbdExport export = new("", new ServedDevice(device, crew), new BlockStatusCatalog());
        try
        {
            if (new NbdHandshake(connection, [export], tls: null).Run() is not { } session) return;
            new NbdTransmission(session, connection, crew.Serve, _buffers, new ConnectionLog(new SilentLog(), "")).Run();
        }
        finally
        {
            connection.Dispose();
        }
    }

    /// <summary>The workers of one connection: a thread for each request.</summary>
    private sealed class Crew(Scheduler scheduler, SimulatedConnection connection)
    {
        private readonly HashSet<NbdWork> _underWay = [];

        public void Serve(NbdWork work)
        {
            _underWay.Add(work);
            connection.Count(1);
            scheduler.Start("nbd worker", () =>
            {
                work.Run();
                _underWay.Remove(work);
                connection.Count(-1);
            });
        }

        /// <summary>The power is gone: nobody serves these requests any more, and the connection must not wait for
        /// them.</summary>
        public void Abandon()
        {
            foreach (NbdWork work in _underWay) work.Abandon(new PowerCutException());
            _underWay.Clear();
        }
    }

    /// <summary>The device as the connection's own thread uses it, which may lose power there.</summary>
    private sealed class ServedDevice(IBlockDevice device, Crew crew) : ForwardingDevice(device)
    {
        public override bool TryReadNow(long offset, Span<byte> buffer)
        {
            try { return base.TryReadNow(offset, buffer); }
            catch (PowerCutException)
            {
                crew.Abandon();
                throw;
            }
        }

        public override bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
        {
            try { return base.TryWriteNow(offset, data); }
            catch (PowerCutException)
            {
                crew.Abandon();
                throw;
            }
        }

        public override void Dispose()
        {
        }
    }
}
