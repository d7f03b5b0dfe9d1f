using System.Globalization;
using DmEra.Backup.Images;
using DmEra.Backup.Sources;
using DmEra.Control;
using DmEra.Devices;
using DmEra.Nbd.Client;
using DmEra.Target.Chronicles;
using DmEra.Target.History;

namespace DmEra.Cli.Backups;

/// <summary>A device that <c>era serve</c> runs, through its control socket, for backups while it is in use.</summary>
internal sealed class ServedOrigin : ILiveDevice
{
    private readonly ControlClient _client;
    private readonly CancellationToken _stop;
    private ControlPause? _pause;

    private ServedOrigin(ControlClient client, DeviceDescription device, IBlockDevice origin, CancellationToken stop)
    {
        _client = client;
        _stop = stop;
        OriginPath = device.Origin;
        MetadataPath = device.Metadata;
        Origin = origin;
        Device = new DeviceIdentity(
            device.Name, device.Lineage, device.Size / ByteSize.Sector, (uint)(device.BlockSize / ByteSize.Sector));
    }

    /// <inheritdoc/>
    public DeviceIdentity Device { get; }

    /// <inheritdoc/>
    public string OriginPath { get; }

    /// <inheritdoc/>
    public string MetadataPath { get; }

    /// <inheritdoc/>
    public IBlockDevice Origin { get; }

    /// <inheritdoc/>
    public uint CurrentEra => Wait(_client.DescribeAsync(_stop)).CurrentEra;

    /// <summary>Connects to a device.</summary>
    /// <param name="client">Its control socket; disposed of with the device.</param>
    /// <param name="stop">Ends requests, but for those that let the device go on.</param>
    /// <exception cref="ControlException">Nobody answers.</exception>
    /// <exception cref="CommandException">It is suspended or has failed.</exception>
    public static ServedOrigin Open(ControlClient client, CancellationToken stop)
    {
        DeviceDescription device = Wait(client.DescribeAsync(stop));
        return device.State switch
        {
            "active" => new ServedOrigin(client, device, OpenOrigin(device), stop),
            "suspended" => throw new CommandException($"{device.Name}: suspended; 'era resume {device.Name}' first"),
            "paused" => throw new CommandException($"{device.Name}: somebody else has it paused; try again when they are done"),
            _ => throw new CommandException($"{device.Name}: {device.FailureReason}"),
        };
    }

    /// <inheritdoc/>
    public uint Gap => Wait(_client.DescribeAsync(_stop)).Gap ?? 0;

    /// <inheritdoc/>
    public uint Checkpoint() => Wait(_client.CheckpointAsync(_stop)).Era;

    /// <inheritdoc/>
    public Guid? MarkOf(uint era) => Wait(_client.FindEraAsync($"{era}", _stop)).Mark;

    /// <inheritdoc/>
    public EraMark? Pause()
    {
        _pause = Wait(_client.PauseAsync(_stop));
        return _pause.Next;
    }

    /// <inheritdoc/>
    public void Unpause()
    {
        if (_pause is null) return;
        using ControlPause pause = _pause;
        _pause = null;
        Wait(pause.EndAsync(CancellationToken.None));
    }

    /// <inheritdoc/>
    /// <remarks>The list is kept in a file that has no name: the server is not kept waiting for whoever reads it.</remarks>
    public IEnumerable<BlockRange> WrittenSince(uint era)
    {
        using FileStream list = new(Path.GetTempFileName(), FileMode.Open, FileAccess.ReadWrite);
        File.Delete(list.Name);
        Wait(_client.CopyChangesAsync($"{era}", "ranges", list, _stop));
        list.Position = 0;
        using StreamReader lines = new(list);
        while (lines.ReadLine() is string line)
        {
            int blank = line.IndexOf(' ', StringComparison.Ordinal);
            yield return new BlockRange(
                uint.Parse(line.AsSpan(0, blank), NumberStyles.None, CultureInfo.InvariantCulture),
                uint.Parse(line.AsSpan(blank + 1), NumberStyles.None, CultureInfo.InvariantCulture));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pause?.Dispose();
        Origin.Dispose();
        _client.Dispose();
    }

    // The server has had its origin open since it started: the path may lead to another file by now, or that file may have
    // been cut off.
    private static IBlockDevice OpenOrigin(DeviceDescription device)
    {
        string path = device.Origin;
        IBlockDevice origin = NbdUri.IsUri(path)
            ? NbdBlockDevice.Open(NbdUri.Parse(path), new NbdClientOptions())
            : FileBlockDevice.OpenShared(path);
        try
        {
            if (origin is FileBlockDevice file && !string.Equals(file.Identity, device.OriginIdentity, StringComparison.Ordinal))
            {
                throw new CommandException($"{path}: was replaced while it is served: {device.Name} goes on with the file that was "
                    + $"there before; 'era stop {device.Name}', put the right file there, and serve it again");
            }

            if (origin.Length < device.Size)
            {
                throw new CommandException($"{path}: was cut off while it is served, to {ByteSize.Format(origin.Length)} of "
                    + $"{ByteSize.Format(device.Size)}; make it as long as it was, or 'era resize {device.Name} {ByteSize.Format(origin.Length)}'");
            }

            return origin;
        }
        catch
        {
            origin.Dispose();
            throw;
        }
    }

    private static void Wait(Task task) => task.GetAwaiter().GetResult();

    private static T Wait<T>(Task<T> task) => task.GetAwaiter().GetResult();
}
