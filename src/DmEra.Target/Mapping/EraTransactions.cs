using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Target.Metadata;

namespace DmEra.Target.Mapping;

/// <summary>What the status tells of the metadata, as of one commit.</summary>
internal sealed record MetadataUsage(
    ulong UsedBlocks, ulong TotalBlocks, uint CurrentEra, ulong Snapshot, Guid? Lineage);

/// <summary>
/// What is done to the metadata, one transaction each: it happens as a whole, or not at all. Belongs to the
/// <see cref="EraWorker"/>; others may ask for <see cref="Usage"/> and <see cref="Failure"/>.
/// </summary>
/// <remarks>
/// Without room a transaction is dropped, and all goes on as before it. After any other fault it may be unknown which
/// state is on disk: the metadata is failed then, and nothing is changed until <see cref="Resume"/> has read it anew.
/// Marks that were durable stay so either way, since bits are set in memory only after their commit.
/// </remarks>
internal sealed partial class EraTransactions
{
    private readonly EraMetadata _metadata;
    private readonly IThreads _threads;
    private readonly MarkAhead _markAhead;
    private readonly Action<string> _log;
    private Writeset? _writeset;            // of the open era; null while suspended
    private MetadataUsage _usage;
    private Exception? _failure;

    public EraTransactions(EraMetadata metadata, IThreads threads, MarkAhead markAhead, Action<string> log)
    {
        _metadata = metadata;
        _threads = threads;
        _markAhead = markAhead;
        _log = log;
        _usage = MeasureUsage();
    }

    /// <summary>Sizes as of the last commit.</summary>
    public MetadataUsage Usage => Volatile.Read(ref _usage);

    /// <summary>Why the metadata failed; null when it has not.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>Reads the metadata from its superblock on, fits it to the origin, and begins an era.</summary>
    /// <param name="blocks">Blocks of the origin.</param>
    /// <param name="found">Is told what was read, before anything is changed, and tells the first block that there is something new
    /// of; those that the metadata does not know are new. What it throws comes out, and nothing is changed.</param>
    public Writeset Resume(uint blocks, Func<MetadataState, uint>? found = null)
    {
        ulong[]?[] pages = Writeset.NoPages(blocks);
        Volatile.Write(ref _failure, null);
        if (!TryReload()) throw new MetadataFailedException(_failure!.Message, _failure);
        Secure();
        RequireAnotherEra();
        uint known = _metadata.NrBlocks;
        uint firstNew = Math.Min(found?.Invoke(_metadata.State) ?? known, known);
        BlockRange grown = known > 0 && firstNew < blocks ? new BlockRange(firstNew, blocks) : default;
        Commit(() =>
        {
            _metadata.Resize(blocks);
            _metadata.RollOver();

            // They may have been part of the device before, and been written then: unknown counts as changed.
            if (grown.Count > 0) _metadata.Mark(grown.Begin, grown.End);

            // Better refused than granted and then not written to; but what has been in use must come back.
            if (known < blocks) _metadata.KeepRoom();
        });
        Writeset writeset = Begin(pages);
        writeset.SetMarked(grown);
        return writeset;
    }

    /// <summary>Makes the marks of a group durable. Never throws: the group learns of a fault.</summary>
    public void Mark(MarkGroup group)
    {
        try
        {
            Writeset writeset = RequireOpen();
            _markAhead.Plan(group, _metadata.NrBlocks);

            // A writer that overtook the last commit ahead of it has what it waits for; this one is for what comes next.
            if (group.IsServedIn(writeset)) group.Complete(failure: null);
            try { MakeDurable(group, writeset); }
            catch (MetadataFullException) when (group.Ahead.Count > 0 && _failure == null)
            {
                // They are a guess, and must not take the room that what is needed may still find.
                _markAhead.StartOver();
                group.Ahead.Clear();
                MakeDurable(group, writeset);
            }

            group.Complete(failure: null);
        }
        catch (Exception failure)
        {
            _markAhead.StartOver();
            group.Complete(failure);
        }
    }

    /// <summary>Ends the era and begins the next one.</summary>
    public Writeset RollOver()
    {
        RequireOpen();
        RequireAnotherEra();
        ulong[]?[] pages = Writeset.NoPages(_metadata.NrBlocks);
        Commit(() =>
        {
            _metadata.RollOver();
            _metadata.KeepRoom();
        });
        return Begin(pages);
    }

    /// <summary>Ends the era; nothing is recorded until <see cref="Resume"/>. Never throws: an era that cannot be
    /// archived is found open, with all its marks, and archived when the device is resumed.</summary>
    /// <returns>Whether it is archived.</returns>
    public bool Archive()
    {
        _writeset = null;
        if (_failure != null) return false;
        try { Commit(_metadata.Archive); }
        catch (Exception fault)
        {
            _log($"the era is left open: {fault.Message}");
            return false;
        }

        return true;
    }

    /// <summary>As <see cref="Archive"/>, for an era that nobody was let in to. Another one is tried soon, perhaps again and again, and
    /// there is nobody to digest between them: so no more than this one is left to digest.</summary>
    public bool Abandon()
    {
        DigestAll();
        return Archive();
    }

    /// <summary>Throws when a metadata snapshot cannot be taken because one is held.</summary>
    public void RequireNoSnapshot()
    {
        if (_metadata.Snapshot != 0)
            throw new EraTargetException("metadata snapshot already exists: drop it first", Errno.EINVAL);
    }

    /// <summary>Takes a metadata snapshot of all eras but the current one.</summary>
    public void TakeSnapshot()
    {
        if (_metadata.NewBlocks > 0) Commit(NoChange);    // a snapshot must be the first thing in its transaction
        Commit(() =>
        {
            _metadata.TakeSnapshot();
            _metadata.KeepRoom();
        });
    }

    /// <summary>Drops the metadata snapshot.</summary>
    public void DropSnapshot()
    {
        RequireNotFailed();
        if (_writeset == null) Secure();    // perhaps never resumed: it is as the last run left it
        if (_metadata.Snapshot == 0) throw new EraTargetException("no snap to drop: none is held", Errno.EINVAL);
        Superblock snapshot = _metadata.ReadSnapshot();     // when this fails, nothing has been changed yet
        Commit(() => _metadata.DropSnapshot(snapshot));
    }

    private void MakeDurable(MarkGroup group, Writeset writeset)
    {
        if (!group.IsMarkedIn(writeset))
        {
            Commit(() =>
            {
                foreach (BlockRange blocks in group.Ranges) _metadata.Mark(blocks.Begin, blocks.End);
                foreach (BlockRange blocks in group.Ahead) _metadata.Mark(blocks.Begin, blocks.End);
                _metadata.KeepRoom();
            });
        }

        foreach (BlockRange blocks in group.Ranges) writeset.SetMarked(blocks);
        foreach (BlockRange blocks in group.Ahead) writeset.SetMarked(blocks);
    }

    private static void NoChange()
    {
    }

    private Writeset Begin(ulong[]?[] pages)
    {
        _digestion = Digestion.Pending;
        _markAhead.StartOver();
        return _writeset = new Writeset(_metadata.CurrentEra, pages, _threads);
    }

    private Writeset RequireOpen()
    {
        RequireNotFailed();
        return _writeset ?? throw new EraTargetException("the device is suspended: resume it first", Errno.EAGAIN);
    }

    /// <summary>Throws when the metadata failed.</summary>
    public void RequireNotFailed()
    {
        if (_failure != null)
            throw new MetadataFailedException($"the metadata failed earlier ({_failure.Message})", _failure);
    }

    private void RequireAnotherEra()
    {
        if (!_metadata.CanRollOver)
            throw new EraTargetException("no era number is left: begin with new metadata", Errno.EOVERFLOW);
    }

    private void Commit(Action change)
    {
        RequireNotFailed();
        ulong free = _metadata.FreeBlocks;
        try { CommitOnce(change); }
        catch (MetadataFullException) when (_failure == null)
        {
            // What uncommitted digestion had copied was dropped, a reader may have let go of blocks; and going on with
            // digestion frees writesets.
            DigestAll();
            if (_failure != null || _metadata.FreeBlocks <= free) throw;
            CommitOnce(change);
        }
    }

    private void CommitOnce(Action change)
    {
        try
        {
            change();
            _metadata.Commit();
        }
        catch (MetadataFullException)
        {
            TryReload();
            throw;
        }
        catch (Exception fault)
        {
            Fail(fault);
            throw;
        }

        if (_digestion == Digestion.OutOfRoom) _digestion = Digestion.Pending;
        Volatile.Write(ref _usage, MeasureUsage());
    }

    /// <summary>Goes back to what is on disk.</summary>
    private bool TryReload()
    {
        try { _metadata.Reload(); }
        catch (Exception fault)
        {
            Fail(fault);
            return false;
        }

        return true;
    }

    private void Secure()
    {
        try { _metadata.Secure(); }
        catch (Exception fault)
        {
            Fail(fault);
            throw;
        }
    }

    private void Fail(Exception fault)
    {
        Volatile.Write(ref _failure, fault);
        _log($"the metadata failed: {fault.Message}");
    }

    private MetadataUsage MeasureUsage() =>
        new(_metadata.UsedBlocks, _metadata.TotalBlocks, _metadata.CurrentEra, _metadata.Snapshot, _metadata.Lineage);
}
