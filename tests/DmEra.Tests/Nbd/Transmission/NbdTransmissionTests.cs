using System.Collections.Concurrent;
using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Nbd;
using DmEra.Nbd.Handshake;
using DmEra.Nbd.Transmission;
using static DmEra.Tests.Nbd.RawClient;

namespace DmEra.Tests.Nbd.Transmission;

public sealed class NbdTransmissionTests
{
    private const int Size = 1 << 20;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_was_written_is_read_back_byte_by_byte(bool ready)
    {
        using HookedDevice device = new(Size) { IsReady = ready };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send(Request(CmdWrite, 1, 1001, 3, 0, [7, 8, 9]));
        client.Expect(SimpleReply(1));
        client.Send(Request(CmdRead, 2, 1000, 5));
        client.Expect(SimpleReply(2, 0, [0, 7, 8, 9, 0]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_longest_payload_goes_through(bool ready)
    {
        using HookedDevice device = new(33 << 20) { IsReady = ready };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);
        byte[] payload = new byte[32 << 20];
        new Random(1).NextBytes(payload);

        client.Send(Request(CmdWrite, 1, 77, 32 << 20, 0, payload));
        client.Expect(SimpleReply(1));
        client.Send(Request(CmdRead, 2, 77, 32 << 20));
        client.Expect(SimpleReply(2));
        Assert.True(payload.AsSpan().SequenceEqual(client.Receive(32 << 20)));
    }

    [Fact]
    public void A_slow_request_does_not_hold_up_the_ones_behind_it()
    {
        using ManualResetEventSlim gate = new();
        using HookedDevice device = new(Size) { IsReady = true };
        device.Before = call =>
        {
            if (call.Operation == "flush") Wait.For(gate);
        };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send([.. Request(CmdFlush, 1, 0, 0), .. Request(CmdRead, 2, 0, 4), .. Request(CmdCache, 3, 0, 4)]);
        byte[] replies = client.Receive(16 + 4 + 16);
        gate.Set();

        Assert.Contains(Convert.ToHexString(SimpleReply(2, 0, new byte[4])), Convert.ToHexString(replies));
        Assert.Contains(Convert.ToHexString(SimpleReply(3)), Convert.ToHexString(replies));
        client.Expect(SimpleReply(1));
    }

    [Fact]
    public void Many_writes_of_one_connection_wait_for_the_device_together()
    {
        const int Writes = 64;
        using CountdownEvent waiting = new(Writes);
        using ManualResetEventSlim gate = new();
        using HookedDevice device = new(Size);
        device.Before = _ =>
        {
            waiting.Signal();
            Wait.For(gate);
        };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        for (uint i = 0; i < Writes; i++) client.Send(Request(CmdWrite, i, i * 512, 512, 0, new byte[512]));
        Assert.True(waiting.Wait(TimeSpan.FromSeconds(20)));
        gate.Set();

        Assert.Equal(Enumerable.Range(0, Writes), SimpleCookies(client, Writes).Order().Select(cookie => (int)cookie));
    }

    [Fact]
    public void A_client_with_too_many_slow_requests_waits_and_others_do_not()
    {
        using ManualResetEventSlim gate = new();
        using HookedDevice device = new(Size);
        device.Before = call =>
        {
            if (call.Operation == "flush") Wait.For(gate);
        };
        using TestServer server = new(device);
        using RawClient greedy = Connected(server.EndPoint);
        using RawClient modest = Connected(server.EndPoint);

        greedy.Send([.. Enumerable.Range(0, 1000).SelectMany(i => Request(CmdFlush, (ulong)i, 0, 0))]);
        modest.Send(Request(CmdRead, 1, 0, 512));
        modest.Expect(SimpleReply(1, 0, new byte[512]));
        gate.Set();

        Assert.Equal(1000, SimpleCookies(greedy, 1000).Distinct().Count());
    }

    [Fact]
    public void Fua_flushes_after_the_write_and_before_the_reply()
    {
        ConcurrentQueue<DeviceCall> calls = new();
        using HookedDevice device = new(Size) { IsReady = true, Before = calls.Enqueue };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send(Request(CmdWrite, 1, 512, 4, FlagFua, [1, 2, 3, 4]));
        client.Expect(SimpleReply(1));
        client.Send(Request(CmdTrim, 2, 512, 4, FlagFua));
        client.Expect(SimpleReply(2));
        client.Send(Request(CmdWriteZeroes, 3, 512, 4, FlagFua));
        client.Expect(SimpleReply(3));
        client.Send(Request(CmdRead, 4, 512, 4, FlagFua));
        client.Expect(SimpleReply(4, 0, new byte[4]));

        Assert.Equal(
            ["write", "flush", "trim", "flush", "zero MayDeallocate", "flush", "read now"],
            calls.Select(call => call.Operation));
    }

    [Theory]
    [InlineData(CmdWrite)]
    [InlineData(CmdTrim)]
    [InlineData(CmdWriteZeroes)]
    public void Fua_flushes_even_if_nothing_is_written(ushort command)
    {
        ConcurrentQueue<DeviceCall> calls = new();
        using HookedDevice device = new(Size) { IsReady = true, Before = calls.Enqueue };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send(Request(command, 1, Size, 0, FlagFua));
        client.Expect(SimpleReply(1));
        client.Send(Request(command, 2, Size, 0));
        client.Expect(SimpleReply(2));

        Assert.Equal(["flush"], calls.Select(call => call.Operation));
    }

    [Theory]
    [InlineData(100_000, 0)]            // by the connection's thread
    [InlineData(100_000, FlagFua)]      // by a worker
    [InlineData(1_000_000, 0)]
    [InlineData(40_000_000, 0)]         // refused
    public void Replies_that_are_ready_do_not_wait_for_a_payload_that_comes_late(int length, int flags)
    {
        using HookedDevice device = new(Size) { IsReady = true };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);
        byte[] write = Request(CmdWrite, 2, 0, (uint)length, (ushort)flags, new byte[length]);

        client.Send([.. Request(CmdRead, 1, 0, 4096), .. write[..50]]);
        client.Expect(SimpleReply(1, 0, new byte[4096]));
        client.Send(write[50..]);

        client.Expect(SimpleReply(2, length > 32 << 20 ? EInval : 0));
    }

    [Fact]
    public void Replies_that_are_ready_do_not_wait_for_slow_requests_when_the_client_says_goodbye()
    {
        using ManualResetEventSlim gate = new();
        using HookedDevice device = new(Size) { IsReady = true };
        device.Before = call =>
        {
            if (call.Operation == "flush") Wait.For(gate);
        };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send([.. Request(CmdFlush, 1, 0, 0), .. Request(CmdRead, 2, 0, 4), .. Request(CmdDisc, 3, 0, 0)]);
        client.Expect(SimpleReply(2, 0, new byte[4]));
        gate.Set();

        client.Expect(SimpleReply(1));
        client.ExpectClosed();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_transport_that_fails_in_a_way_of_its_own_ends_the_connection(bool ready)
    {
        using HookedDevice device = new(Size) { IsReady = ready };
        RecordingLog log = new();
        bool isAborted = false;
        using ScriptedTransport transport = new(
            [.. Enumerable.Range(0, 200).SelectMany(i => Request(CmdRead, (ulong)i, 0, 50_000))], pieceBytes: 28 * 20)
        {
            BeforeSend = () => throw new InvalidOperationException("a bug"),
            BeforeAbort = () => isAborted = true,
        };
        NbdSession session = new(new NbdExport("", device, new BlockStatusCatalog()), ReplyStyle.Simple, []);

        Thread serving = new(() => new NbdTransmission(
            session,
            transport,
            work => ThreadPool.QueueUserWorkItem(_ => work.Run()),
            new NbdBuffers(),
            new ConnectionLog(log, "test"),
            SystemThreads.Instance).Run());
        serving.Start();

        Assert.True(serving.Join(TimeSpan.FromSeconds(20)), "it waits for ever");
        Assert.True(isAborted);
        Assert.Equal("test: cannot send", Assert.Single(log.Faults));
    }

    [Fact]
    public void Flush_reaches_the_device_after_the_writes_that_were_acknowledged()
    {
        ConcurrentQueue<DeviceCall> calls = new();
        using HookedDevice device = new(Size) { Before = calls.Enqueue };
        using TestServer server = new(device);
        using RawClient writer = Connected(server.EndPoint);
        using RawClient flusher = Connected(server.EndPoint);

        writer.Send(Request(CmdWrite, 1, 0, 4, 0, [1, 2, 3, 4]));
        writer.Expect(SimpleReply(1));
        flusher.Send(Request(CmdFlush, 2, 0, 0));
        flusher.Expect(SimpleReply(2));

        Assert.Equal(["write", "flush"], calls.Select(call => call.Operation));
    }

    [Theory]
    [InlineData(0, ZeroingMode.MayDeallocate)]
    [InlineData(FlagNoHole, ZeroingMode.KeepAllocated)]
    [InlineData(FlagFastZero, ZeroingMode.FastOnly)]
    [InlineData(FlagNoHole | FlagFastZero, ZeroingMode.FastOnlyKeepAllocated)]
    public void Zeroes_are_written_in_the_way_asked_for(int flags, ZeroingMode mode)
    {
        ConcurrentQueue<DeviceCall> calls = new();
        using HookedDevice device = new(Size) { Before = calls.Enqueue };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send(Request(CmdWriteZeroes, 1, 10, Size - 10, (ushort)flags));
        client.Expect(SimpleReply(1));

        Assert.Equal([new DeviceCall($"zero {mode}", 10, Size - 10)], calls);
    }

    [Fact]
    public void Cache_prefetches()
    {
        ConcurrentQueue<DeviceCall> calls = new();
        using HookedDevice device = new(Size) { Before = calls.Enqueue };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send(Request(CmdCache, 1, 10, 1000));
        client.Expect(SimpleReply(1));

        Assert.Equal([new DeviceCall("prefetch", 10, 1000)], calls);
    }

    [Theory]
    [InlineData(Errno.EIO, EIo)]
    [InlineData(Errno.ENOSPC, ENoSpc)]
    [InlineData(Errno.EDQUOT, ENoSpc)]
    [InlineData(Errno.EFBIG, ENoSpc)]
    [InlineData(Errno.EROFS, EPerm)]
    [InlineData(Errno.EACCES, EPerm)]
    [InlineData(Errno.ENOTSUP, ENotSup)]
    [InlineData(Errno.EBUSY, EIo)]
    public void Faults_of_the_device_reach_the_client_as_numbers_and_the_log_in_full(int errno, uint error)
    {
        foreach (bool ready in new[] { true, false })
        {
            using HookedDevice device = new(Size) { IsReady = ready };
            device.Before = _ => throw new DeviceException("/dev/broken: cannot", errno);
            using TestServer server = new(device);
            using RawClient client = Connected(server.EndPoint);

            client.Send([.. Request(CmdRead, 1, 512, 4)]);
            client.Expect(SimpleReply(1, error));
            client.Send([.. Request(CmdWrite, 2, 512, 4, 0, [1, 2, 3, 4])]);
            client.Expect(SimpleReply(2, error));
            client.Send([.. Request(CmdFlush, 3, 0, 0)]);
            client.Expect(SimpleReply(3, error));

            Assert.Equal(3, server.Log.Faults.Count);
            Assert.Contains(
                "(unix): Write of 4 bytes at 512: /dev/broken: cannot: ",
                server.Log.Faults.ElementAt(1),
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_device_that_fails_for_ever_does_not_fill_the_log()
    {
        using HookedDevice device = new(Size) { IsReady = true };
        device.Before = _ => throw new DeviceException("broken", Errno.EIO);
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        for (uint i = 0; i < 100; i++)
        {
            client.Send(Request(CmdRead, i, 0, 4));
            client.Expect(SimpleReply(i, EIo));
        }

        Assert.Equal(10, server.Log.Faults.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_bug_in_the_device_ends_one_connection_and_no_other(bool ready)
    {
        using HookedDevice device = new(Size) { IsReady = ready };
        device.Before = call =>
        {
            if (call.Offset == 512) throw new InvalidOperationException("a bug");
        };
        using TestServer server = new(device);
        using RawClient unlucky = Connected(server.EndPoint);
        using RawClient other = Connected(server.EndPoint);

        unlucky.Send(Request(CmdRead, 1, 512, 4));
        unlucky.ExpectClosed();

        other.ExpectAlive();
        server.AwaitConnections(1);
        Assert.Single(server.Log.Faults);
    }

    [Fact]
    public void Disconnect_waits_for_the_replies_of_requests_under_way()
    {
        using ManualResetEventSlim gate = new();
        using HookedDevice device = new(Size);
        device.Before = _ => Wait.For(gate);
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);

        client.Send(
        [
            .. Request(CmdWrite, 1, 0, 4, 0, [1, 2, 3, 4]), .. Request(CmdFlush, 2, 0, 0), .. Request(CmdDisc, 3, 0, 0),
        ]);
        gate.Set();

        Assert.Equal([1ul, 2ul], SimpleCookies(client, 2).Order());
        client.ExpectClosed();
        Assert.Equal([1, 2, 3, 4], device.Content.ToArray()[..4]);
    }

    [Fact]
    public void A_client_that_leaves_in_the_middle_of_a_payload_writes_nothing()
    {
        using HookedDevice device = new(Size);
        using TestServer server = new(device);
        using (RawClient client = Connected(server.EndPoint))
            client.Send([.. Request(CmdWrite, 1, 0, 300_000, 0, new byte[299_999])]);
        using (RawClient client = Connected(server.EndPoint))
            client.Send([.. Request(CmdWrite, 1, 0, 300, 0, new byte[299])]);

        server.AwaitConnections(0);
        Assert.Empty(server.Log.Faults);
    }

    [Fact]
    public void Requests_that_arrive_in_pieces_are_understood()
    {
        using HookedDevice device = new(Size) { IsReady = true };
        using TestServer server = new(device);
        using RawClient client = Connected(server.EndPoint);
        byte[] stream = [.. Enumerable.Range(0, 20).SelectMany(i =>
            Request(CmdWrite, (ulong)i, (ulong)i * 1000, 1000, 0, [.. Enumerable.Repeat((byte)i, 1000)]))];

        Random random = new(5);
        for (int sent = 0, count; sent < stream.Length; sent += count)
        {
            count = Math.Min(random.Next(1, 1500), stream.Length - sent);
            client.Send(stream[sent..(sent + count)]);
        }

        Assert.Equal(20, SimpleCookies(client, 20).Distinct().Count());
        for (int i = 0; i < 20; i++) Assert.Equal(i, device.Content.ToArray()[(i * 1000) + 999]);
    }

    private static List<ulong> SimpleCookies(RawClient client, int count)
    {
        List<ulong> cookies = [];
        for (int i = 0; i < count; i++)
        {
            client.Expect([.. U32(0x67446698), .. U32(0)]);
            cookies.Add(client.ReceiveU64());
        }

        return cookies;
    }
}
