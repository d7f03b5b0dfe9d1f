using System.Collections.Concurrent;
using DmEra.Control;
using DmEra.Serving.Hosting;
using DmEra.Serving.Sockets;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Control;

/// <summary>A small disk of 16 blocks, served inside the test process: target, NBD server and control socket.</summary>
internal sealed class ServedDisk : IAsyncDisposable
{
    public const int BlockSize = 4096;
    public const int BlockCount = 16;
    public const string Metadata = "disk.era";
    public const string Origin = "disk";

    private readonly TempFolder _folder;
    private readonly DeviceHost _host;
    private readonly UnixListener _control;
    private readonly ControlServer _controlServer;

    private ServedDisk(TempFolder folder, ServedDevice device, DeviceHost host, UnixListener control, ControlServer controlServer)
    {
        _folder = folder;
        Device = device;
        _host = host;
        _control = control;
        _controlServer = controlServer;
    }

    public ServedDevice Device { get; }

    /// <summary>What the control server had to tell.</summary>
    public required ConcurrentQueue<string> Log { get; init; }

    /// <summary>The test has damaged the metadata: era_check is not asked about it.</summary>
    public bool IsDamaged { get; set; }

    public string ControlSocket => _control.Path;

    public static Task<ServedDisk> StartAsync()
    {
        TempFolder folder = new();
        folder.Sparse(Metadata, 1 << 20);
        folder.Sparse(Origin, 2 * BlockCount * BlockSize);
        return StartAsync(folder, BlockCount);
    }

    /// <summary>Serves the files <see cref="Metadata"/> and <see cref="Origin"/> of a folder, which it takes over.</summary>
    public static async Task<ServedDisk> StartAsync(TempFolder folder, int blockCount)
    {
        ConcurrentQueue<string> log = new();
        UnixListener control = new(folder["disk.ctl"]);
        DeviceHost host = new(new HostSettings { IsForOne = true }, control, log.Enqueue);
        ServedDevice device = host.Attach(new DeviceSettings
        {
            Table = new EraTable(0, (long)blockCount * BlockSize / 512, folder[Metadata], folder[Origin], BlockSize / 512),
            Name = "disk",
            Origin = folder[Origin],
            Metadata = folder[Metadata],
            Listen = [ListenAddress.Unix(folder["disk.nbd"])],
        });
        ControlServer controlServer = await ControlServer.StartAsync(host, control, log.Enqueue);
        return new ServedDisk(folder, device, host, control, controlServer) { Log = log };
    }

    public void WriteBlock(int block) => Device.Target.Device.Write((long)block * BlockSize, new byte[BlockSize]);

    /// <summary>What a process that was told to stop does last.</summary>
    public async Task StopControlAsync()
    {
        await _controlServer.DisposeAsync();
        _control.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await StopControlAsync();
        _host.Dispose();
        if (!IsDamaged) Oracle.EraCheck(_folder[Metadata]);
        _folder.Dispose();
    }
}
