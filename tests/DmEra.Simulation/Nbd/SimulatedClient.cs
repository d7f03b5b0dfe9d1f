using System.Buffers.Binary;
using DmEra.Simulation.Devices;
using DmEra.Simulation.Model;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Nbd;

/// <summary>
/// An NBD client that asks for anything, a few requests at a time, and connects anew now and then: after a goodbye, by
/// vanishing in the midst of what it says, or when the server is restarted. It is written from the protocol's document,
/// and shares nothing with the server.
/// </summary>
internal sealed class SimulatedClient(
    Scheduler scheduler, SimulatedServer server, Witness witness, ContentModel content, Coverage coverage, Random random)
{
    private const int MostInFlight = 8;
    private const int LongestPauseMilliseconds = 8;

    private const int SimpleHeader = 16;
    private const uint SimpleReplyMagic = 0x67446698;
    private const uint ChunkMagic = 0x668e33ef;
    private const ushort ReadCommand = 0, WriteCommand = 1, DisconnectCommand = 2, FlushCommand = 3, TrimCommand = 4, ZeroCommand = 6;
    private const ushort Fua = 1, NoHole = 2;
    private const ushort DoneFlag = 1;
    private const ushort DataChunk = 1, FirstErrorChunk = 1 << 15;

    private readonly Dictionary<ulong, Request> _inFlight = [];
    private SimulatedConnection _connection = null!;
    private (int Stops, int Faults) _before;    // of the server, when the client connected
    private bool _isStructured;
    private int _sectors;
    private ulong _lastCookie;
    private int _next;      // where a sequential client goes on

    /// <summary>It mostly writes one request behind the other, from anywhere on, for a while.</summary>
    public bool IsSequential { get; init; }

    /// <summary>For how long it has waited for an answer by now.</summary>
    public TimeSpan Waits => _inFlight.Count == 0 ? TimeSpan.Zero : scheduler.Now - _inFlight.Values.Min(request => request.Asked);

    /// <summary>Makes so many requests.</summary>
    public void Run(int requests)
    {
        while (requests > 0)
        {
            if (TryConnect()) requests -= TalkUntilCutOff(Math.Min(requests, random.Next(1, 40)));
            else Pause();
        }
    }

    /// <summary>Makes requests until it has made as many, or vanishes, or the server is stopped.</summary>
    /// <returns>How many were made.</returns>
    private int TalkUntilCutOff(int requests)
    {
        try
        {
            return Talk(requests);
        }
        catch (EndOfStreamException)
        {
            // Data that was announced, and cannot be read, ends a connection as well.
            if (_before == (server.Stops, server.Faults)) throw new SimulationException("the server hangs up on a client");
            coverage.Count("NBD client is cut off");
            _inFlight.Clear();
            return requests;
        }
    }

    /// <summary>Makes requests until it has made as many, or vanishes.</summary>
    /// <returns>How many were made.</returns>
    private int Talk(int requests)
    {
        bool vanishes = random.Next(4) == 0;
        for (int made = 0; made < requests || _inFlight.Count > 0;)
        {
            bool mayAsk = made < requests && _inFlight.Count < MostInFlight;
            if (mayAsk && (_inFlight.Count == 0 || random.Next(2) == 0))
            {
                // What the rest of it waits for.
                ulong[] earlier = [.. _inFlight.Keys];
                byte[] message = Ask();
                made++;
                if (vanishes && random.Next(requests) == 0)
                {
                    Vanish(message);
                    return made;
                }

                Send(message, earlier);
            }
            else
            {
                ReceiveReply();
            }
        }

        _connection.ClientSend(Header(DisconnectCommand, 0, 0, 0, 0));
        coverage.Count("NBD client says goodbye");
        return requests;
    }

    // What it asked for may happen or not, and nobody will tell.
    private void Vanish(byte[] message)
    {
        _connection.ClientSend(message.AsSpan(0, random.Next(message.Length + 1)));
        _connection.Abort();
        coverage.Count($"NBD client vanishes, {(_inFlight.Count > 1 ? "some requests" : "one request")} under way");
        _inFlight.Clear();
    }

    // Now and then it takes its time, or says nothing more before it has all the answers to what it asked before: the server
    // must not keep them back until then.
    private void Send(byte[] message, ulong[] earlier)
    {
        int sent = random.Next(4) == 0 ? random.Next(message.Length) : message.Length;
        _connection.ClientSend(message.AsSpan(0, sent));
        if (sent == message.Length) return;
        if (random.Next(2) == 0) Pause();
        else
        {
            while (earlier.Any(_inFlight.ContainsKey)) ReceiveReply();
            coverage.Count("NBD client has its answers before it says all");
        }

        _connection.ClientSend(message.AsSpan(sent));
    }

    private void Pause() => scheduler.Wait(this, TimeSpan.FromMilliseconds(random.Next(LongestPauseMilliseconds)));

    /// <summary>Connects, unless there is no server, or it does not let this one in, or the client is too slow for it.</summary>
    private bool TryConnect()
    {
        _before = (server.Stops, server.Faults);
        if (server.Connect(random) is not { } connection) return false;
        _connection = connection;
        try
        {
            if (random.Next(40) == 0) ComeAndSayNothing();
            Negotiate();
            return true;
        }
        catch (EndOfStreamException)
        {
            coverage.Count("NBD client is turned away");
            return false;
        }
    }

    // However long that takes the client, the server must have enough of it some time.
    private void ComeAndSayNothing()
    {
        coverage.Count("NBD client comes and says nothing");
        while (true) _connection.ClientReceive(1);
    }

    private void Negotiate()
    {
        _connection.ClientReceive(18);
        _connection.ClientSend([0, 0, 0, 3]);
        _isStructured = random.Next(2) == 0;
        if (_isStructured)
        {
            _connection.ClientSend(Option(8));
            _connection.ClientReceive(20);
        }

        _connection.ClientSend(Option(1));
        byte[] export = _connection.ClientReceive(10);
        _sectors = (int)(BinaryPrimitives.ReadUInt64BigEndian(export) / DiskContent.Sector);
    }

    /// <summary>Thinks of a request.</summary>
    /// <returns>What to send.</returns>
    private byte[] Ask()
    {
        bool goesOn = IsSequential && _next < _sectors && random.Next(24) != 0;
        int first = goesOn ? _next : random.Next(_sectors);
        int most = random.Next(4) == 0 && !goesOn ? _sectors - first : Math.Min(_sectors - first, 12);
        int count = 1 + random.Next(most);
        _next = first + count;
        ushort flags = random.Next(6) == 0 ? Fua : (ushort)0;
        ushort command = random.Next(10) switch
        {
            _ when goesOn => WriteCommand,
            0 or 1 => ReadCommand,
            2 => FlushCommand,
            3 => TrimCommand,
            4 => ZeroCommand,
            _ => WriteCommand,
        };
        Request request = new(command, flags, first, count) { Flushes = content.Flushes, Asked = scheduler.Now };
        if (command is FlushCommand) request.FlushBegan = content.BeginFlush();
        if (command is TrimCommand or ZeroCommand or WriteCommand)
            request.Change = witness.Begin(first, count, isZero: command != WriteCommand);
        ulong cookie = ++_lastCookie;
        _inFlight.Add(cookie, request);
        if (command is ZeroCommand && random.Next(2) == 0) flags |= NoHole;
        byte[] header = command is FlushCommand
            ? Header(command, 0, cookie, 0, 0)
            : Header(command, flags, cookie, first, count);
        return command is WriteCommand ? [.. header, .. ContentModel.BytesOf(request.Change!.Content)] : header;
    }

    // With structured replies in force, simple ones are still right for all but reads.
    private void ReceiveReply()
    {
        byte[] header = _connection.ClientReceive(SimpleHeader);
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(header);
        ulong cookie = BinaryPrimitives.ReadUInt64BigEndian(header.AsSpan(8));
        bool isChunk = magic == ChunkMagic && _isStructured;
        if ((!isChunk && magic != SimpleReplyMagic) || !_inFlight.TryGetValue(cookie, out Request? request))
            throw new SimulationException($"a reply to nothing: {Convert.ToHexString(header)}");

        if (isChunk && !ReceiveChunk(header, request)) return;
        if (!isChunk) ReceiveSimple(header, request);
        _inFlight.Remove(cookie);
        End(request);
    }

    private void ReceiveSimple(byte[] header, Request request)
    {
        request.HasFailed = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4)) != 0;
        if (request.Command is ReadCommand && !request.HasFailed)
            request.Data = _connection.ClientReceive(request.Sectors * DiskContent.Sector);
    }

    /// <summary>Takes what one chunk says.</summary>
    /// <returns>true when it was the last one.</returns>
    private bool ReceiveChunk(byte[] header, Request request)
    {
        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(4));
        ushort type = BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(6));
        byte[] payload = _connection.ClientReceive(BinaryPrimitives.ReadInt32BigEndian(_connection.ClientReceive(sizeof(int))));
        if (type is DataChunk)
        {
            long offset = BinaryPrimitives.ReadInt64BigEndian(payload) - ((long)request.FirstSector * DiskContent.Sector);
            payload.AsSpan(sizeof(long)).CopyTo(request.Data.AsSpan((int)offset));
        }

        if (type >= FirstErrorChunk) request.HasFailed = true;
        return (flags & DoneFlag) != 0;
    }

    private void End(Request request)
    {
        coverage.Count(request.HasFailed ? "NBD request answered with an error" : "NBD request answered");
        if (request.HasFailed) return;
        if (request.Change is { } done) witness.Acknowledge(done, isStable: (request.Flags & Fua) != 0);
        if (request.Command is FlushCommand) content.EndFlush(request.FlushBegan);
        if (request.Command is ReadCommand) Verify(request);
    }

    // What a flush has made stable in the meantime hides what the read may rightly have found before.
    private void Verify(Request request)
    {
        if (request.Flushes != content.Flushes) return;
        for (int i = 0; i < request.Sectors; i++)
        {
            if (content.FindLoss(request.FirstSector + i, request.Data.AsSpan(i * DiskContent.Sector)) is { } lie)
                throw new SimulationException($"a client reads what nobody wrote there: {lie}");
        }
    }

    private static byte[] Option(byte option) =>
        [.. "IHAVEOPT"u8, 0, 0, 0, option, 0, 0, 0, 0];

    private static byte[] Header(ushort command, ushort flags, ulong cookie, int firstSector, int sectors)
    {
        byte[] header = new byte[28];
        BinaryPrimitives.WriteUInt32BigEndian(header, 0x25609513);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(4), flags);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(6), command);
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(8), cookie);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(16), (long)firstSector * DiskContent.Sector);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(24), sectors * DiskContent.Sector);
        return header;
    }

    private sealed record Request(ushort Command, ushort Flags, int FirstSector, int Sectors)
    {
        public TimeSpan Asked { get; init; }

        public Change? Change { get; set; }

        public long FlushBegan { get; set; }

        public long Flushes { get; init; }

        /// <summary>What is read; holes stay zeroes.</summary>
        public byte[] Data { get; set; } = Command is ReadCommand ? new byte[Sectors * DiskContent.Sector] : [];

        public bool HasFailed { get; set; }
    }
}
