using DmEra.Devices;
using DmEra.Devices.Threads;

namespace DmEra.Target.Mapping;

// Beginning and ending eras with requests going on. Each operation waits for its turn, and crosses the one boundary.
public sealed partial class EraTarget
{
    /// <summary>Starts a new era, and returns its number when every write that is recorded in an older one has
    /// completed and is stable on the origin. Nobody is told the number earlier.</summary>
    /// <exception cref="EraTargetException">The device is suspended or failed, there is no room, or the origin cannot be
    /// flushed.</exception>
    public uint Checkpoint()
    {
        using Turns.Turn turn = _turns.Take();
        return Cross();
    }

    /// <summary>Starts a new era, and keeps the metadata of all earlier ones readable until it is dropped.</summary>
    /// <exception cref="EraTargetException">A snapshot is held already; or as for <see cref="Checkpoint"/>.</exception>
    public void TakeMetadataSnapshot()
    {
        using Turns.Turn turn = _turns.Take();
        Run(static eras => eras.RequireNoSnapshot());
        Cross();
        Run(static eras => eras.TakeSnapshot());
    }

    /// <summary>Lets go of the metadata snapshot; also while suspended, for it may be what takes the room that
    /// resuming needs.</summary>
    /// <exception cref="EraTargetException">None is held; or the metadata failed.</exception>
    public void DropMetadataSnapshot()
    {
        using Turns.Turn turn = _turns.Take();
        Run(static eras => eras.DropSnapshot());
    }

    /// <summary>A message in the kernel's words, in upper or lower case: <c>checkpoint</c>,
    /// <c>take_metadata_snap</c>, <c>drop_metadata_snap</c>.</summary>
    /// <exception cref="EraTargetException">There is no such message, or it failed.</exception>
    public void Message(params string[] words)
    {
        if (words is not [string word])
        {
            throw new EraTargetException(
                $"incorrect number of message arguments: {words.Length}, not 1", Errno.EINVAL);
        }

        switch (word.ToLowerInvariant())
        {
            case "checkpoint":
                Checkpoint();
                break;
            case "take_metadata_snap":
                TakeMetadataSnapshot();
                break;
            case "drop_metadata_snap":
                DropMetadataSnapshot();
                break;
            default:
                throw new EraTargetException(
                    $"unsupported message '{word}': there are checkpoint, take_metadata_snap and drop_metadata_snap",
                    Errno.EINVAL);
        }
    }

    private uint Cross()
    {
        _loops.Look();
        return Explained(_boundary.Cross);
    }

    private void Run(Action<EraTransactions> call) => Explained(() => _worker.Run<object?>(eras =>
    {
        call(eras);
        return null;
    }));

    private T Explained<T>(Func<T> call)
    {
        try { return call(); }
        catch (Exception fault) when (fault is not EraTargetException)
        {
            throw Faults.Explain("", _table.MetadataPath, fault);
        }
    }

    private void Explained(Action call) => Explained<object?>(() =>
    {
        call();
        return null;
    });
}
