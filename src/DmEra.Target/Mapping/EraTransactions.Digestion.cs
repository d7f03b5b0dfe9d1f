using DmEra.PersistentData.Blocks;

namespace DmEra.Target.Mapping;

// Digestion: nobody waits for it, so it takes small steps, which ride on the next commit or have one of their own now and
// then, and what is in its way is nobody else's trouble.
internal sealed partial class EraTransactions
{
    // What a transaction of digestion may change: half of the default cache.
    private const int BlocksPerCommit = 2048;

    private Digestion _digestion;

    private enum Digestion
    {
        /// <summary>There is no archived writeset.</summary>
        Done,

        /// <summary>There may be one.</summary>
        Pending,

        /// <summary>There is no room; the next commit may have made some.</summary>
        OutOfRoom,

        /// <summary>Something in its way is damaged.</summary>
        Stopped,
    }

    /// <summary>There is digestion to do.</summary>
    public bool HasDigestion => _digestion == Digestion.Pending && _writeset != null && _failure == null;

    /// <summary>Digests a little, and commits now and then. Never throws: what is in the way is logged.</summary>
    public void DigestStep()
    {
        if (!HasDigestion) return;
        try
        {
            if (!_metadata.TryMakeRoomToDigest())
            {
                _digestion = Digestion.OutOfRoom;
                return;
            }

            if (!_metadata.DigestStep()) _digestion = Digestion.Done;
            bool isEnough = _digestion == Digestion.Done || _metadata.NewBlocks >= BlocksPerCommit || !_metadata.TryKeepRoom();
            if (isEnough && _metadata.NewBlocks > 0) CommitOnce(NoChange);
        }
        catch (Exception fault)
        {
            StopDigestion(fault);
        }
    }

    private void DigestAll()
    {
        while (HasDigestion) DigestStep();
    }

    // Nothing of a failed step is on disk. Only one that could not even be dropped, or whose commit failed, is
    // more than digestion's own trouble.
    private void StopDigestion(Exception fault)
    {
        if (_failure != null) return;
        bool isFull = fault is MetadataFullException;
        _digestion = isFull ? Digestion.OutOfRoom : Digestion.Stopped;
        if (!isFull) _log($"digestion stops until the next era: {fault.Message}");
        TryReload();
    }
}
