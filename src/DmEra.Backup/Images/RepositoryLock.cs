using System.Text.Json;
using DmEra.Backup.Stores;
using DmEra.Devices.Threads;

namespace DmEra.Backup.Images;

/// <summary>What somebody wants to do with a repository.</summary>
internal enum LockKind
{
    /// <summary>Read: shares with everybody but <see cref="Exclusive"/>.</summary>
    Read,

    /// <summary>Add an image: shares with readers.</summary>
    Append,

    /// <summary>Remove things: shares with nobody.</summary>
    Exclusive,
}

/// <summary>
/// A lock on a repository, made of nothing but objects, so that it works in any store: whoever wants it writes an
/// object, then lists all of them, and takes its own back if another one is in the way. Of two that come at the
/// same moment each sees the other, as each writes before it lists: then neither gets it. A lock is written again
/// every minute; one that was not for ten, by the store's clock, or whose process is gone, does not count.
/// </summary>
internal sealed class RepositoryLock : IDisposable
{
    public const string Prefix = "locks/";

    private static readonly TimeSpan Renewal = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestSilence = TimeSpan.FromMinutes(10);

    private readonly IObjectStore _store;
    private readonly string _name;
    private readonly LockHolder _holder;
    private readonly byte[] _document;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly IMonitor _renewing;        // guards the fields below: a renewal must not bring back what was deleted
    private DateTimeOffset _renewed;
    private bool _isDisposed;

    private RepositoryLock(
        IObjectStore store, string name, LockHolder holder, byte[] document, DateTimeOffset written, IThreads threads)
    {
        _store = store;
        _name = name;
        _holder = holder;
        _document = document;
        _time = threads.Time;
        _renewing = threads.CreateMonitor();
        _renewed = written;
        _timer = _time.CreateTimer(static state => ((RepositoryLock)state!).Renew(), this, Renewal, Renewal);
    }

    /// <summary>True for the name of a lock; whatever else lies among them is nobody's.</summary>
    public static bool IsOne(string name) => KindOf(name) is not null;

    /// <summary>Takes a lock for reading.</summary>
    /// <param name="repository">The repository; it is told when there is no lock.</param>
    /// <param name="what">What for, for people: as in "era verify".</param>
    /// <returns>null where this process may not write.</returns>
    /// <exception cref="RepositoryException">Somebody removes things, or the store failed.</exception>
    public static RepositoryLock? TryTakeForReading(Repository repository, string what)
    {
        try
        {
            return Take(repository.Store, LockKind.Read, what, repository.Threads);
        }
        catch (StoreNotWritableException)
        {
            repository.Remark?.Invoke($"{repository.Address}: cannot be written to from here, so nothing keeps a prune elsewhere "
                + "from removing what is being read");
            return null;
        }
    }

    /// <summary>Takes a lock.</summary>
    /// <param name="store">The repository's.</param>
    /// <param name="kind">What for.</param>
    /// <param name="what">What for, for people: as in "era backup".</param>
    /// <param name="threads">For the renewals.</param>
    /// <exception cref="StoreNotWritableException">This process may not write there.</exception>
    /// <exception cref="RepositoryException">Somebody else is in the way, or the store failed.</exception>
    public static RepositoryLock Take(IObjectStore store, LockKind kind, string what, IThreads threads)
    {
        string name = $"{Prefix}{NameOf(kind)}-{threads.NewId():N}";
        LockHolder holder = LockHolder.Me(what, threads.Time);
        byte[] document = Seal(name, holder);
        DateTimeOffset written = threads.Time.GetUtcNow();
        try
        {
            try { store.Put(name, document); }
            catch (StoreFullException)
            {
                // A name alone may still find room, and locks as well; it only cannot tell whose it is.
                document = [];
                store.Put(name, document);
            }

            ThrowIfBarred(store, kind, name);
            return new RepositoryLock(store, name, holder, document, written, threads);
        }
        catch
        {
            // Even one that failed, or was ended, may have got there.
            Withdraw(store, holder, name);
            throw;
        }
    }

    /// <summary>Makes sure, before something is made visible or removed, that nobody took this process for
    /// dead.</summary>
    /// <exception cref="RepositoryException">Somebody did.</exception>
    public void ThrowIfLost()
    {
        // In this order: what the store has answered may be of long ago, when this program stood still just then.
        bool isGone = !_store.List(_name).Any();
        using MonitorHold hold = _renewing.Hold();
        if (isGone || IsStale())
        {
            throw new RepositoryException(
                $"{_store.Address}: the lock may have been taken away, as this program stood still for too long; run it again");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
        using (_renewing.Hold())
        {
            if (_isDisposed) return;
            _isDisposed = true;
            Withdraw(_store, _holder, _name);
        }
    }

    private static void Withdraw(IObjectStore store, LockHolder holder, string name)
    {
        try
        {
            store.Withdraw(name);
        }
        catch (StoreNotWritableException)
        {
            MarkAsOver(store, holder, name);
        }
        catch (RepositoryException)
        {
            // It ages, and does not count any more when this process has ended.
        }
    }

    // A key for a bucket may be one that can write, and not delete.
    private static void MarkAsOver(IObjectStore store, LockHolder holder, string name)
    {
        try
        {
            store.Put(name, Seal(name, holder with { IsOver = true }));
        }
        catch (Exception fault) when (fault is RepositoryException or OperationCanceledException)
        {
            // As above.
        }
    }

    private static byte[] Seal(string name, LockHolder holder) =>
        SealedDocument.Seal(name, JsonSerializer.SerializeToUtf8Bytes(holder, BackupJson.Default.LockHolder), key: null);

    // One that cannot be removed is passed over all the same.
    private static void RemoveStale(IObjectStore store, string name)
    {
        try
        {
            store.Delete(name);
        }
        catch (StoreNotWritableException)
        {
            // It stays, and is of nobody.
        }
    }

    private static void ThrowIfBarred(IObjectStore store, LockKind kind, string ownName)
    {
        List<StoredObject> locks = [.. store.List(Prefix)];
        // Only the store's own clock is asked: those of two machines may differ.
        int own = locks.FindIndex(found => found.Name.Equals(ownName, StringComparison.Ordinal));
        if (own < 0) throw new RepositoryException($"{store.Address}: does not list what was just written to it; try again");
        DateTimeOffset now = locks[own].Written;
        foreach (StoredObject found in locks)
        {
            if (found.Name.Equals(ownName, StringComparison.Ordinal) || !IsInTheWay(kind, found.Name)) continue;
            LockHolder? holder = ReadHolder(store, found.Name, out bool isMissing);
            if (isMissing) continue;
            if (now - found.Written > LongestSilence || holder?.IsGone() == true)
            {
                RemoveStale(store, found.Name);
                continue;
            }

            throw new RepositoryException(
                $"{store.Address}: in use by {holder?.ToString() ?? "another program"}; try again when that is done");
        }
    }

    private static string NameOf(LockKind kind) => kind.ToString().ToLowerInvariant();

    private static LockKind? KindOf(string name)
    {
        foreach (LockKind kind in Enum.GetValues<LockKind>())
        {
            if (name.StartsWith($"{Prefix}{NameOf(kind)}-", StringComparison.Ordinal) && name.LastIndexOf('/') < Prefix.Length) return kind;
        }

        return null;
    }

    private static bool IsInTheWay(LockKind kind, string name) => KindOf(name) switch
    {
        null => false,
        LockKind other => kind switch
        {
            LockKind.Exclusive => true,
            LockKind.Append => other != LockKind.Read,
            _ => other == LockKind.Exclusive,
        },
    };

    private static LockHolder? ReadHolder(IObjectStore store, string name, out bool isMissing)
    {
        isMissing = false;
        try
        {
            return SealedDocument.ReadJson(store, name, key: null, BackupJson.Default.LockHolder);
        }
        catch (ObjectMissingException)
        {
            isMissing = true;
            return null;
        }
        catch (ObjectDamagedException)
        {
            return null;
        }
    }

    // By the clock on the wall, which goes on while a machine sleeps; early enough that nobody counts it as silent yet.
    private bool IsStale() => _time.GetUtcNow() - _renewed > LongestSilence - Renewal;

    private void Renew()
    {
        using (_renewing.Hold())
        {
            if (_isDisposed) return;
            try
            {
                // One that was taken away stays away, and so does one that may be at this moment: ThrowIfLost must find out.
                DateTimeOffset now = _time.GetUtcNow();
                if (IsStale() || !_store.List(_name).Any()) return;
                _store.Put(_name, _document);
                _renewed = now;
            }
            catch (Exception fault) when (fault is RepositoryException or OperationCanceledException)
            {
                // The next renewal may succeed; nine may fail.
            }
        }
    }
}
