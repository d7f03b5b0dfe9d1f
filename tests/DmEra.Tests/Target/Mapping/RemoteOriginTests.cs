using System.Net.Sockets;
using DmEra.Devices;
using DmEra.Nbd;
using DmEra.Nbd.Client;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Tests.Nbd;

namespace DmEra.Tests.Target.Mapping;

/// <summary>
/// An origin whose server crashes, forgets what was not flushed, and may come back with an older disk. What the client sends
/// to it again must never be older than an era that somebody knows of.
/// </summary>
public sealed class RemoteOriginTests : IDisposable
{
    private const int BlockBytes = 4096;
    private const int Blocks = 16;
    private static readonly byte[] Old = [.. Enumerable.Repeat((byte)1, BlockBytes)];
    private static readonly byte[] New = [.. Enumerable.Repeat((byte)2, BlockBytes)];

    private readonly TempFolder _folder = new();
    private readonly HookedDevice _disk = new(Blocks * BlockBytes);
    private readonly HookedDevice _diskAfterCrash = new(Blocks * BlockBytes);
    private readonly ProbeDevice _metadata = new(64 * 4096);
    private readonly EraTarget _target;
    private NbdServer _server;

    public RemoteOriginTests()
    {
        _server = Serve(_disk);
        NbdBlockDevice origin = NbdBlockDevice.Open(NbdUri.Parse($"nbd+unix:///?socket={_folder["nbd.sock"]}"), new NbdClientOptions());
        EraTable table = new(0, Blocks * BlockBytes / EraTable.SectorSize, "meta", "origin", BlockBytes / EraTable.SectorSize);
        _target = EraTarget.Create(table, _metadata, origin, new EraTargetOptions());
        _target.Resume();
    }

    public void Dispose()
    {
        _target.Dispose();
        _server.Dispose();
        _metadata.Dispose();
        _disk.Dispose();
        _diskAfterCrash.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Nothing_written_before_a_suspend_comes_back_after_it()
    {
        _target.Device.Write(BlockBytes, Old);

        _target.Suspend();
        CrashAndRollBack();
        _target.Resume();
        _target.Device.Flush();

        Assert.Equal(new byte[BlockBytes], Content(_diskAfterCrash, 1));
        Assert.Equal(new byte[BlockBytes], Read(1));
        Assert.Empty(WrittenSince(_target.Status.CurrentEra));
    }

    [Fact]
    public void Nothing_written_before_a_checkpoint_comes_back_after_it()
    {
        _target.Device.Write(BlockBytes, Old);

        uint era = _target.Checkpoint();
        CrashAndRollBack();
        _target.Device.Write(3 * BlockBytes, New);
        _target.Device.Flush();

        Assert.Equal(new byte[BlockBytes], Content(_diskAfterCrash, 1));
        Assert.Equal(New, Content(_diskAfterCrash, 3));
        Assert.Equal([3], WrittenSince(era));
    }

    [Fact]
    public void What_comes_back_after_a_boundary_was_written_behind_it_and_is_listed()
    {
        uint era = _target.Checkpoint();
        _target.Device.Write(5 * BlockBytes, New);

        CrashAndRollBack();
        _target.Device.Flush();

        Assert.Equal(New, Content(_diskAfterCrash, 5));
        Assert.Equal([5], WrittenSince(era));
    }

    [Fact]
    public void Where_the_flush_of_a_boundary_fails_nobody_learns_a_number_that_what_comes_back_is_older_than()
    {
        uint before = _target.Status.CurrentEra;
        _target.Device.Write(BlockBytes, Old);
        _disk.Before = call => Fail(call.Operation == "flush");
        Assert.Throws<EraTargetException>(() => _target.Checkpoint());
        Assert.Equal(before, _target.Status.CurrentEra);

        CrashAndRollBack();
        _target.Device.Flush();

        Assert.Equal(Old, Content(_diskAfterCrash, 1));
        Assert.Equal([1], WrittenSince(_target.Status.CurrentEra));
        Assert.Empty(WrittenSince(_target.Checkpoint()));
    }

    [Fact]
    public void A_suspend_whose_flush_fails_lets_the_device_go_on()
    {
        _target.Device.Write(BlockBytes, Old);
        _disk.Before = call => Fail(call.Operation == "flush");
        Assert.Throws<EraTargetException>(_target.Suspend);
        _disk.Before = null;

        _target.Device.Write(2 * BlockBytes, New);
        _target.Suspend();
        CrashAndRollBack();
        _target.Resume();

        Assert.Equal(new byte[BlockBytes], Read(1));
        Assert.Equal(new byte[BlockBytes], Read(2));
    }

    private static void Fail(bool isDue)
    {
        if (isDue) throw new DeviceException("disk", Errno.EIO);
    }

    private void CrashAndRollBack()
    {
        _server.Dispose();
        _server = Serve(_diskAfterCrash);
    }

    private NbdServer Serve(HookedDevice disk)
    {
        NbdServer server = new(
            [new NbdExport("", disk, new BlockStatusCatalog())], new NbdServerOptions { DrainTimeout = TimeSpan.FromMilliseconds(100) });
        server.Listen(new UnixDomainSocketEndPoint(_folder["nbd.sock"]));
        return server;
    }

    private int[] WrittenSince(uint era)
    {
        using EraHistory history = _target.OpenHistory();
        return [.. history.WrittenSince(era).SelectMany(run => Enumerable.Range((int)run.Begin, (int)run.Count))];
    }

    private byte[] Read(int block)
    {
        byte[] data = new byte[BlockBytes];
        _target.Device.Read(block * (long)BlockBytes, data);
        return data;
    }

    private static byte[] Content(HookedDevice disk, int block)
    {
        byte[] data = new byte[BlockBytes];
        disk.Content.Read(block * (long)BlockBytes, data);
        return data;
    }
}
