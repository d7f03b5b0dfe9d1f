using System.Globalization;
using DmEra.Devices;
using DmEra.Nbd.Client;
using DmEra.Serving;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Control;

/// <summary>A device that a server of ours runs, through its control socket.</summary>
public sealed class ControlledDevice : ILiveDevice
{
    private readonly ControlClient _client;
    private readonly CancellationToken _stop;
    private readonly Lazy<IBlockDevice> _origin;
    private ControlPause? _pause;

    private ControlledDevice(ControlClient client, string? name, DeviceDescription device, CancellationToken stop)
    {
        _client = client;
        _stop = stop;
        _origin = new Lazy<IBlockDevice>(() => OpenOrigin(device));
        OriginPath = device.Origin;
        MetadataPath = device.Metadata;
        MessageCommand = $"era message '{(name ?? device.Name).Replace("'", @"'\''", StringComparison.Ordinal)}'";
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
    public IBlockDevice Origin => _origin.Value;

    /// <inheritdoc/>
    public string MessageCommand { get; }

    /// <inheritdoc/>
    public uint CurrentEra => Describe().CurrentEra;

    /// <inheritdoc/>
    public uint Gap => Describe().Gap ?? 0;

    /// <summary>Connects to a device.</summary>
    /// <param name="client">Its control socket; disposed of with the device, or when this fails.</param>
    /// <param name="name">What commands are to call it; null: by its name.</param>
    /// <param name="stop">Ends requests, but for those that let the device go on.</param>
    /// <exception cref="ControlException">Nobody answers.</exception>
    public static ControlledDevice Open(ControlClient client, string? name, CancellationToken stop)
    {
        try { return new ControlledDevice(client, name, Wait(client.DescribeAsync(stop)), stop); }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public DeviceDescription Describe() => Wait(_client.DescribeAsync(_stop));

    /// <inheritdoc/>
    public void RequireActive()
    {
        DeviceDescription device = Describe();
        string? why = device.State switch
        {
            "active" => null,
            "suspended" => $"suspended; 'era resume {device.Name}' first",
            "paused" => "somebody else has it paused; try again when they are done",
            _ => device.FailureReason,
        };
        if (why is not null) throw new ControlException($"{device.Name}: {why}");
    }

    /// <inheritdoc/>
    public uint FindEra(string name) => Wait(_client.FindEraAsync(name, _stop)).Era;

    /// <inheritdoc/>
    public void WriteChanges(string since, ChangeListFormat format, Stream output) =>
        Wait(_client.CopyChangesAsync(since, format, output, _stop));

    /// <inheritdoc/>
    public EraBeginning Checkpoint() => Wait(_client.CheckpointAsync(_stop));

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
        WriteChanges($"{era}", ChangeListFormat.Ranges, list);
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
        if (_origin.IsValueCreated) _origin.Value.Dispose();
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
                throw new ControlException($"{path}: was replaced while it is served: {device.Name} goes on with the file that was "
                    + $"there before; 'era stop {device.Name}', put the right file there, and serve it again");
            }

            if (origin.Length < device.Size)
            {
                throw new ControlException($"{path}: was cut off while it is served, to {ByteSize.Format(origin.Length)} of "
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
