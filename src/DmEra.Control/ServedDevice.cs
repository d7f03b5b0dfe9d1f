using DmEra.Nbd;
using DmEra.Target.Mapping;

namespace DmEra.Control;

/// <summary>
/// A device in service: the target, the NBD server in front of it, the sockets they are reached by, and the order in
/// which all of it stops. Every member may be called from any thread.
/// </summary>
/// <param name="name">Its name among the served devices.</param>
/// <param name="target">Disposed of when the device stops.</param>
/// <param name="server">Serves <paramref name="target"/>; stopped with it.</param>
/// <param name="endpoints">NBD URIs.</param>
/// <param name="control">The control socket, closed when the device stops.</param>
/// <param name="labels">What its eras are called; null: nothing.</param>
public sealed class ServedDevice(
    string name,
    EraTarget target,
    NbdServer server,
    IReadOnlyList<string> endpoints,
    UnixListener control,
    IEraLabels? labels = null)
{
    private readonly TaskCompletionSource<string?> _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _stopCalls;

    /// <summary>The target.</summary>
    public EraTarget Target => target;

    /// <summary>Finds eras by what people call them.</summary>
    public EraFinder Eras { get; } = new(target, labels);

    /// <summary>Completes when the device has stopped; its value is what had kept it from doing all it should, see
    /// <see cref="EraTarget.FailureReason"/>, or null.</summary>
    public Task<string?> Stopped => _stopped.Task;

    /// <summary>What the device is and does at this moment.</summary>
    public DeviceDescription Describe()
    {
        EraTable table = target.Table;
        EraStatus status = target.Status;
        return new DeviceDescription
        {
            Name = name,
            State = target.State.ToString().ToLowerInvariant(),
            FailureReason = target.FailureReason,
            Status = status.ToString(),
            Table = table.ToString(),
            CurrentEra = status.CurrentEra,
            Mark = target.MarkOf(status.CurrentEra),
            Gap = target.Gap == 0 ? null : target.Gap,
            Size = table.LengthBytes,
            BlockSize = table.BlockSizeBytes,
            Origin = table.OriginPath,
            OriginIdentity = target.OriginIdentity,
            Metadata = table.MetadataPath,
            Lineage = target.Lineage,
            MetadataBlocksUsed = status.UsedMetadataBlocks,
            MetadataBlocks = status.TotalMetadataBlocks,
            MetadataSnapshot = status.MetadataSnapshot == 0 ? null : status.MetadataSnapshot,
            Endpoints = endpoints,
            Connections = server.ConnectionCount,
            ControlSocket = control.Path,
            ProcessId = Environment.ProcessId,
        };
    }

    /// <summary>Serves what clients have asked for so far, ends their connections, archives the era, commits, and
    /// lets go of files and sockets, so that the device can be served again as soon as this returns.</summary>
    public void Stop()
    {
        if (Interlocked.Increment(ref _stopCalls) > 1)
        {
            _stopped.Task.Wait();
            return;
        }

        try
        {
            // Requests that wait for a suspended device would hold the server up: they are refused first.
            if (target.State is not (TargetState.Active or TargetState.Failed)) target.Dispose();
            server.Stop();
            target.Dispose();
            control.Dispose();
            _stopped.SetResult(target.FailureReason);
        }
        catch (Exception fault)
        {
            _stopped.SetException(fault);
            throw;
        }
    }
}
