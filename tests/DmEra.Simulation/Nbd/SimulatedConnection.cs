using DmEra.Nbd.Transport;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Nbd;

/// <summary>
/// A connection in memory between a client and the real server. What is sent arrives in pieces of any size; the client may
/// vanish at any moment, and the server waits for one that does not take its replies. To the server it is a transport; a
/// client that is simulated as well uses the members that begin with Client, and the real one has a transport of its own.
/// </summary>
internal sealed class SimulatedConnection(Scheduler scheduler, Random random) : INbdTransport
{
    private const int RoomForReplies = 32 << 10;

    private readonly Scheduler _scheduler = scheduler;
    private readonly Random _random = random;
    private readonly Pipe _toServer = new();
    private readonly Pipe _toClient = new();

    /// <summary>The server is done with it.</summary>
    public bool IsClosed => _toClient.HasEnded;

    public int Receive(Span<byte> buffer)
    {
        _scheduler.Yield();
        while (_toServer.Count == 0 && !_toServer.HasEnded) _scheduler.Wait(_toServer, Timeout.InfiniteTimeSpan);
        return _toServer.Take(buffer[.._random.Next(1, buffer.Length + 1)]);
    }

    public bool TrySend(ReadOnlySpan<byte> data)
    {
        _scheduler.Yield();
        while (_toClient.Count > RoomForReplies && !_toClient.HasEnded) _scheduler.Wait(_toClient, Timeout.InfiniteTimeSpan);
        if (_toClient.HasEnded) return false;
        _toClient.Add(data);
        _scheduler.WakeAll(_toClient);
        return true;
    }

    public void StopReceiving() => End(_toServer);

    public void Abort()
    {
        End(_toServer);
        End(_toClient);
    }

    public void Dispose() => Abort();

    /// <summary>The transport of a real client.</summary>
    public INbdTransport ClientEnd => new ClientTransport(this);

    /// <summary>Sends to the server.</summary>
    public void ClientSend(ReadOnlySpan<byte> data)
    {
        _toServer.Add(data);
        _scheduler.WakeAll(_toServer);
        _scheduler.Yield();
    }

    /// <summary>Waits for so many bytes from the server.</summary>
    /// <exception cref="EndOfStreamException">The server has ended the connection.</exception>
    public byte[] ClientReceive(int count)
    {
        byte[] data = new byte[count];
        for (int received = 0; received < count;)
        {
            if (_toClient.Count == 0)
            {
                if (_toClient.HasEnded) throw new EndOfStreamException();
                _scheduler.Wait(_toClient, Timeout.InfiniteTimeSpan);
            }

            received += _toClient.Take(data.AsSpan(received));
            _scheduler.WakeAll(_toClient);
        }

        return data;
    }

    private void End(Pipe pipe)
    {
        pipe.HasEnded = true;
        _scheduler.WakeAll(pipe);
    }

    /// <summary>What the real client makes of the connection.</summary>
    private sealed class ClientTransport(SimulatedConnection connection) : INbdTransport
    {
        public int Receive(Span<byte> buffer)
        {
            Pipe pipe = connection._toClient;
            while (pipe.Count == 0 && !pipe.HasEnded) connection._scheduler.Wait(pipe, Timeout.InfiniteTimeSpan);
            int count = pipe.Take(buffer[..connection._random.Next(1, buffer.Length + 1)]);
            connection._scheduler.WakeAll(pipe);
            return count;
        }

        public bool TrySend(ReadOnlySpan<byte> data)
        {
            if (connection._toServer.HasEnded) return false;
            connection.ClientSend(data);
            return true;
        }

        public void StopReceiving() => connection.End(connection._toClient);

        public void Abort() => connection.Abort();

        public void Dispose() => connection.Abort();
    }

    /// <summary>Bytes on their way in one direction.</summary>
    private sealed class Pipe
    {
        private byte[] _bytes = [];
        private int _start;

        public int Count { get; private set; }

        public bool HasEnded { get; set; }

        public void Add(ReadOnlySpan<byte> data)
        {
            if (_start + Count + data.Length > _bytes.Length)
            {
                byte[] longer = new byte[(Count + data.Length) * 2];
                _bytes.AsSpan(_start, Count).CopyTo(longer);
                (_bytes, _start) = (longer, 0);
            }

            data.CopyTo(_bytes.AsSpan(_start + Count));
            Count += data.Length;
        }

        public int Take(Span<byte> buffer)
        {
            int count = Math.Min(buffer.Length, Count);
            _bytes.AsSpan(_start, count).CopyTo(buffer);
            _start += count;
            Count -= count;
            return count;
        }
    }
}
