using DmEra.Control;
using DmEra.Nbd;
using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Control;

/// <summary>A small disk of 16 blocks, served inside the test process: target, NBD server and control socket.</summary>
internal sealed class ServedDisk : IAsyncDisposable
{
    public const int BlockSize = 4096;
    public const int BlockCount = 16;

    private readonly TempFolder _folder;
    private readonly NbdServer _server;
    private readonly UnixListener _control;
    private readonly ControlServer _controlServer;

    private ServedDisk(
        TempFolder folder, ServedDevice device, NbdServer server, UnixListener control, ControlServer controlServer)
    {
        _folder = folder;
        Device = device;
        _server = server;
        _control = control;
        _controlServer = controlServer;
    }

    public ServedDevice Device { get; }

    public string ControlSocket => _control.Path;

    public static async Task<ServedDisk> StartAsync()
    {
        TempFolder folder = new();
        string metadata = folder.Sparse("disk.era", 1 << 20);
        string origin = folder.Sparse("disk", 2 * BlockCount * BlockSize);
        EraTarget target = EraTarget.Create(
            EraTable.Parse($"0 {BlockCount * BlockSize / 512} era {metadata} {origin} {BlockSize / 512}"),
            new EraTargetOptions());
        target.Resume();
        NbdServer server = new([new NbdExport("disk", target.Device, new BlockStatusCatalog())], new NbdServerOptions());
        UnixListener control = new(folder["disk.ctl"]);
        ServedDevice device = new("disk", target, server, ["nbd://nowhere/disk"], control);
        return new ServedDisk(folder, device, server, control, await ControlServer.StartAsync(device, control));
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
        _server.Dispose();
        Device.Target.Dispose();
        Oracle.EraCheck(_folder["disk.era"]);
        _folder.Dispose();
    }
}
