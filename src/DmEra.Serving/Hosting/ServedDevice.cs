using DmEra.Serving.FrontEnds;
using DmEra.Target.Mapping;
using DmEra.Target.Tracking;

namespace DmEra.Serving.Hosting;

/// <summary>A device in service: the disk, the front ends before it, and the order in which all of it starts and stops. Every member
/// may be called from any thread.</summary>
/// <param name="disk">Disposed of when the device stops.</param>
/// <param name="frontEnds">Stopped with it.</param>
/// <param name="controlSocket">Path of the socket where it is controlled; null when it is not.</param>
public sealed class ServedDevice(EraDisk disk, IReadOnlyList<IFrontEnd> frontEnds, string? controlSocket)
{
    private readonly TaskCompletionSource<string?> _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _stopCalls;

    /// <summary>Its name among the served devices.</summary>
    public string Name => disk.Settings.Name;

    /// <summary>What it was served by.</summary>
    public DeviceSettings Settings => disk.Settings;

    /// <summary>The target.</summary>
    public EraTarget Target => disk.Target;

    /// <summary>Finds eras by what people call them.</summary>
    public EraFinder Eras => disk.Eras;

    /// <summary>Clients connected now.</summary>
    public int Connections => frontEnds.Sum(frontEnd => frontEnd.Describe().Connections);

    /// <summary>Completes when the device has stopped; its value is what had kept it from doing all it should, see
    /// <see cref="EraTarget.FailureReason"/>, or null.</summary>
    public Task<string?> Stopped => _stopped.Task;

    /// <summary>Lets clients come, and then their requests in. When this fails, all of it has been stopped.</summary>
    /// <exception cref="IOException">A front end cannot start.</exception>
    /// <exception cref="EraTargetException">The device cannot be resumed.</exception>
    public void Start()
    {
        try
        {
            foreach (IFrontEnd frontEnd in frontEnds) frontEnd.Start();
            disk.Resume();
        }
        catch
        {
            Stop();
            throw;
        }
    }

    /// <summary>What the device is and does at this moment.</summary>
    public DeviceDescription Describe()
    {
        EraTable table = Target.Table;
        EraStatus status = Target.Status;
        FrontEndDescription[] reached = [.. frontEnds.Select(frontEnd => frontEnd.Describe())];
        return new DeviceDescription
        {
            Name = Name,
            State = Target.State.ToString().ToLowerInvariant(),
            FailureReason = Target.FailureReason,
            Warning = Target.Warning,
            Status = status.ToString(),
            Table = table.ToString(),
            CurrentEra = status.CurrentEra,
            Mark = Target.MarkOf(status.CurrentEra),
            Gap = Target.Gap == 0 ? null : Target.Gap,
            Size = table.LengthBytes,
            BlockSize = table.BlockSizeBytes,
            Origin = table.OriginPath,
            OriginIdentity = Target.OriginIdentity,
            Metadata = table.MetadataPath,
            Lineage = Target.Lineage,
            MetadataBlocksUsed = status.UsedMetadataBlocks,
            MetadataBlocks = status.TotalMetadataBlocks,
            MetadataSnapshot = status.MetadataSnapshot == 0 ? null : status.MetadataSnapshot,
            Endpoints = [.. reached.SelectMany(frontEnd => frontEnd.Endpoints)],
            Connections = reached.Sum(frontEnd => frontEnd.Connections),
            ControlSocket = controlSocket,
            ProcessId = Environment.ProcessId,
        };
    }

    /// <summary>Serves what clients have asked for so far, ends their connections, archives the era, commits, and lets go of
    /// the files. The second call waits for the first.</summary>
    public void Stop()
    {
        if (Interlocked.Increment(ref _stopCalls) > 1)
        {
            _stopped.Task.GetAwaiter().GetResult();
            return;
        }

        try
        {
            // Requests that wait for a suspended device would hold the front ends up: they are refused first.
            if (Target.State is not (TargetState.Active or TargetState.Failed)) Target.Dispose();
            try
            {
                foreach (IFrontEnd frontEnd in frontEnds) frontEnd.Dispose();
            }
            finally
            {
                // Whatever ails a front end, the era is archived.
                disk.Dispose();
            }

            _stopped.SetResult(Target.FailureReason);
        }
        catch (Exception fault)
        {
            _stopped.SetException(fault);
            throw;
        }
    }
}
