using DmEra.Backup.Stores;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Backups;

/// <summary>What goes wrong between a program and the store, as one call in so many; 0 for never.</summary>
/// <param name="Dies">The program is killed, before the call takes effect or after.</param>
/// <param name="Fails">The call fails, before it takes effect or after.</param>
/// <param name="IsFull">There is no room for a pack.</param>
/// <param name="StandsStill">The machine sleeps for longer than a lock lasts.</param>
internal sealed record Troubles(int Dies, int Fails, int IsFull, int StandsStill);

/// <summary>
/// The store as one run of a program sees it. The model: a call takes a while, and takes effect at one moment of it; it may
/// fail before that moment or after, and the program may die or stand still there. Lists are of the moment, as those of S3 have
/// been since 2020. A machine does not fall asleep in the midst of a call that publishes or removes something: no lock that
/// ends by itself protects from that, and the program looks at its lock right before.
/// </summary>
internal sealed class ProcessStore(Scheduler scheduler, Bucket bucket, BackupOracle oracle, Troubles troubles, Random random) : IObjectStore
{
    private const int LongestCallMilliseconds = 2000;
    private const int LongestSleepMinutes = 40;

    private bool _isDead;
    private TimeSpan _awakeAt;

    public string Address => "bucket";

    public int Parallelism => 2;

    /// <summary>Whether anything has gone wrong for this program.</summary>
    public bool HadTrouble { get; private set; }

    /// <summary>When it first saw which images there are; null before.</summary>
    public long? Began { get; private set; }

    public void Put(string name, ReadOnlyMemory<byte> content)
    {
        // The caller uses its buffer again.
        byte[] copy = content.ToArray();
        Call($"put {name}", () =>
        {
            if (IsDue(troubles.IsFull) && name.StartsWith("packs/", StringComparison.Ordinal)) throw Trouble(new StoreFullException("bucket: no room"));
            bucket.Put(name, copy);
            oracle.Changed(this, name, isRemoval: false);
            return true;
        });
    }

    public bool TryCreate(string name, ReadOnlyMemory<byte> content)
    {
        byte[] copy = content.ToArray();
        return Call($"create {name}", () =>
        {
            if (!bucket.TryCreate(name, copy)) return false;
            oracle.Changed(this, name, isRemoval: false);
            return true;
        });
    }

    public int Read(string name, long offset, Span<byte> buffer)
    {
        // A lambda cannot have the span.
        byte[] copy = new byte[buffer.Length];
        int count = Call($"read {name}", () => new BucketView(bucket).Read(name, offset, copy), mayStandStill: true);
        copy.AsSpan(0, count).CopyTo(buffer);
        return count;
    }

    public IEnumerable<StoredObject> List(string prefix) => Call(
        $"list {prefix}",
        () =>
        {
            if (prefix is "images/") Began ??= oracle.Moment;
            return bucket.List(prefix);
        },
        mayStandStill: true);

    public void Delete(params IEnumerable<string> names)
    {
        foreach (string name in names) Remove(name);
    }

    public void Withdraw(string name) => Remove(name);

    public void RemoveUnfinished(DateTimeOffset before)
    {
    }

    public void Dispose()
    {
    }

    private void Remove(string name) => Call($"delete {name}", () =>
    {
        if (bucket.Find(name) is not null) oracle.Removing(this, name);
        bucket.Delete(name);
        oracle.Changed(this, name, isRemoval: true);
        return true;
    });

    private T Call<T>(string what, Func<T> effect, bool mayStandStill = false)
    {
        oracle.Trace(what);
        BeginStep(mayStandStill);
        if (IsDue(2 * troubles.Fails)) throw Trouble(new RepositoryException($"bucket: {what}: failed before it did anything"));
        T result = effect();
        BeginStep(mayStandStill);
        if (IsDue(2 * troubles.Fails)) throw Trouble(new RepositoryException($"bucket: {what}: no answer"));
        return result;
    }

    private void BeginStep(bool mayStandStill)
    {
        ThrowIfDead();
        scheduler.Wait(this, TimeSpan.FromMilliseconds(random.Next(LongestCallMilliseconds) / 2));
        if (mayStandStill && IsDue(2 * troubles.StandsStill))
        {
            HadTrouble = true;
            _awakeAt = scheduler.Now + TimeSpan.FromMinutes(random.Next(LongestSleepMinutes));
            oracle.Count("machine stands still");
        }

        // All of its threads, those that renew a lock as well.
        if (mayStandStill && scheduler.Now < _awakeAt) scheduler.Wait(this, _awakeAt - scheduler.Now);
        if (IsDue(2 * troubles.Dies)) _isDead = true;
        ThrowIfDead();
    }

    private void ThrowIfDead()
    {
        if (!_isDead) return;
        HadTrouble = true;
        throw new ProcessKilledException();
    }

    private RepositoryException Trouble(RepositoryException fault)
    {
        HadTrouble = true;
        return fault;
    }

    private bool IsDue(int oneIn) => oneIn > 0 && random.Next(oneIn) == 0;
}

/// <summary>Ends the threads of one program of a simulated world.</summary>
internal sealed class ProcessKilledException() : ThreadEndException("the program was killed");
