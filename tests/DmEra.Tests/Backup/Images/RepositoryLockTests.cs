using System.Text.Json;
using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Devices.Threads;

namespace DmEra.Tests.Backup.Images;

public sealed class RepositoryLockTests
{
    private readonly MemoryStore _store = new();

    [Theory]
    [InlineData("Append", "Append")]
    [InlineData("Append", "Exclusive")]
    [InlineData("Exclusive", "Append")]
    [InlineData("Exclusive", "Read")]
    [InlineData("Read", "Exclusive")]
    [InlineData("Exclusive", "Exclusive")]
    public void Those_that_disturb_each_other_exclude_each_other(string held, string wanted)
    {
        using RepositoryLock first = Take(Kind(held), "era backup");

        RepositoryException fault = Assert.Throws<RepositoryException>(() => Take(Kind(wanted)));

        Assert.Contains("in use by 'era backup' (process", fault.Message, StringComparison.Ordinal);
        Assert.Single(_store.Content);      // the one refused leaves nothing behind
    }

    [Theory]
    [InlineData("Append", "Read")]
    [InlineData("Read", "Append")]
    [InlineData("Read", "Read")]
    public void Those_that_do_not_disturb_each_other_share(string held, string wanted)
    {
        using RepositoryLock first = Take(Kind(held));
        using RepositoryLock second = Take(Kind(wanted));
    }

    [Fact]
    public void A_lock_that_is_let_go_is_free()
    {
        Take(LockKind.Exclusive).Dispose();

        Assert.Empty(_store.Content);
        Take(LockKind.Exclusive).Dispose();
    }

    [Fact]
    public void Of_two_that_come_at_the_same_moment_at_most_one_gets_it()
    {
        // Both write before either of them lists.
        using Barrier written = new(2);
        int lists = 0;
        _store.Before = (verb, _) =>
        {
            if (verb is "list" && Interlocked.Increment(ref lists) <= 2 && !written.SignalAndWait(TimeSpan.FromSeconds(30)))
                throw new TimeoutException();
        };
        int taken = 0;
        Thread[] threads = [.. Enumerable.Range(0, 2).Select(_ => new Thread(() =>
        {
            try
            {
                Take(LockKind.Append);
                Interlocked.Increment(ref taken);
            }
            catch (RepositoryException)
            {
                // The other one was there.
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) Assert.True(thread.Join(TimeSpan.FromSeconds(60)));

        Assert.True(taken <= 1, $"{taken} hold it");
    }

    [Fact]
    public void A_lock_of_a_process_that_is_gone_does_not_count()
    {
        Leave(LockHolder.Me("era backup", TimeProvider.System) with { Process = int.MaxValue });

        using RepositoryLock taken = Take(LockKind.Exclusive);

        Assert.Single(_store.Content);
    }

    [Fact]
    public void A_process_with_the_same_number_is_another_one()
    {
        Leave(LockHolder.Me("era backup", TimeProvider.System) with { Started = "1" });

        using RepositoryLock taken = Take(LockKind.Append);
    }

    [Fact]
    public void Of_a_process_on_another_machine_nothing_is_known()
    {
        Leave(LockHolder.Me("era backup", TimeProvider.System) with { Process = int.MaxValue, Kernel = "another" });

        Assert.Throws<RepositoryException>(() => Take(LockKind.Append));
    }

    [Fact]
    public void A_lock_that_was_not_renewed_for_ten_minutes_does_not_count()
    {
        Leave(LockHolder.Me("era backup", TimeProvider.System) with { Kernel = "another" });
        _store.Now += TimeSpan.FromMinutes(9);
        Assert.Throws<RepositoryException>(() => Take(LockKind.Append));
        _store.Now += TimeSpan.FromMinutes(2);

        using RepositoryLock taken = Take(LockKind.Append);
    }

    [Fact]
    public void Whoever_was_taken_for_dead_finds_out()
    {
        using RepositoryLock first = Take(LockKind.Append);
        first.ThrowIfLost();

        _store.Delete(_store.Content.Keys.Single());

        Assert.Throws<RepositoryException>(first.ThrowIfLost);
    }

    [Fact]
    public void Whoever_stood_still_for_too_long_has_lost_it_though_it_is_still_there()
    {
        // Another one may be about to take it away; renewing it now would bring it back behind his back.
        StoppedTime time = new();
        using RepositoryLock first = RepositoryLock.Take(_store, LockKind.Append, "test", time);
        time.Now += TimeSpan.FromMinutes(8);
        first.ThrowIfLost();
        time.Now += TimeSpan.FromMinutes(2);
        int puts = 0;
        _store.Before = (verb, _) => puts += verb is "put" ? 1 : 0;

        time.Fire!();

        Assert.Throws<RepositoryException>(first.ThrowIfLost);
        Assert.Equal(0, puts);
    }

    [Fact]
    public void Whoever_stands_still_while_he_looks_whether_he_has_it_has_lost_it()
    {
        StoppedTime time = new();
        using RepositoryLock first = RepositoryLock.Take(_store, LockKind.Append, "test", time);
        _store.Before = (verb, _) => time.Now += verb is "list" ? TimeSpan.FromMinutes(20) : TimeSpan.Zero;

        Assert.Throws<RepositoryException>(first.ThrowIfLost);
    }

    [Fact]
    public void A_renewal_keeps_it()
    {
        StoppedTime time = new();
        using RepositoryLock first = RepositoryLock.Take(_store, LockKind.Append, "test", time);
        for (int minute = 0; minute < 30; minute++)
        {
            time.Now += TimeSpan.FromMinutes(1);
            time.Fire!();
        }

        first.ThrowIfLost();
    }

    [Fact]
    public void A_reader_of_a_store_that_cannot_be_written_to_has_no_lock_and_is_told()
    {
        using Repository repository = TestRepository.New(_store);
        List<string> remarks = [];
        repository.Remark = remarks.Add;
        _store.Before = (verb, _) =>
        {
            if (verb is "put") throw new StoreNotWritableException("read-only");
        };

        Assert.Null(RepositoryLock.TryTakeForReading(repository, "era verify"));
        Assert.Contains("nothing keeps a prune elsewhere", Assert.Single(remarks), StringComparison.Ordinal);
        Assert.Throws<StoreNotWritableException>(() => Take(LockKind.Append));
    }

    [Fact]
    public void A_reader_of_a_store_that_fails_is_told_so_as_another_process_may_remove_things_there()
    {
        using Repository repository = TestRepository.New(_store);
        _store.Before = (verb, _) =>
        {
            if (verb is "put") throw new RepositoryException("the network is gone");
        };

        Assert.Throws<RepositoryException>(() => RepositoryLock.TryTakeForReading(repository, "era verify"));
    }

    [Fact]
    public void Where_there_is_no_room_left_a_name_alone_is_a_lock()
    {
        _store.NoRoomFor = 1;

        using RepositoryLock held = Take(LockKind.Exclusive);

        held.ThrowIfLost();
        Assert.Throws<RepositoryException>(() => Take(LockKind.Read));
        Assert.Single(_store.Content);
    }

    [Fact]
    public void One_that_was_ended_while_it_was_written_is_taken_back()
    {
        _store.After = (verb, _) =>
        {
            if (verb is "put") throw new OperationCanceledException();
        };

        Assert.Throws<OperationCanceledException>(() => Take(LockKind.Append));

        Assert.Empty(_store.Content);
    }

    [Fact]
    public void A_lock_is_let_go_even_when_the_program_has_been_told_to_stop()
    {
        RepositoryLock held = Take(LockKind.Append);
        _store.Before = (verb, _) =>
        {
            if (verb is not "withdraw") throw new OperationCanceledException();
        };

        held.Dispose();

        Assert.Empty(_store.Content);
    }

    [Theory, InlineData("locks/.nfs0000000000000001"), InlineData("locks/thesis"), InlineData("locks/x/exclusive-thesis")]
    public void What_is_no_lock_is_in_nobodys_way_and_stays(string name)
    {
        _store.Put(name, new byte[] { 1 });
        _store.Now += TimeSpan.FromHours(2);

        Take(LockKind.Exclusive).Dispose();

        Assert.Equal([name], _store.Content.Keys);
    }

    /// <summary>A clock that the test sets; its one timer fires when the test says so.</summary>
    private sealed class StoppedTime : TimeProvider, ITimer, IThreads
    {
        TimeSpan IThreads.Now => SystemThreads.Instance.Now;

        public TimeProvider Time => this;

        public int Processors => SystemThreads.Instance.Processors;

        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public Action? Fire { get; private set; }

        public override DateTimeOffset GetUtcNow() => Now;

        public Guid NewId() => Guid.NewGuid();

        public void Start(string name, Action body) => SystemThreads.Instance.Start(name, body);

        public IMonitor CreateMonitor() => SystemThreads.Instance.CreateMonitor();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Fire = () => callback(state);
            return this;
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private static LockKind Kind(string name) => Enum.Parse<LockKind>(name);

    private RepositoryLock Take(LockKind kind, string what = "test") =>
        RepositoryLock.Take(_store, kind, what, SystemThreads.Instance);

    private void Leave(LockHolder holder)
    {
        string name = $"{RepositoryLock.Prefix}append-0";
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(holder, BackupJson.Default.LockHolder);
        _store.Put(name, SealedDocument.Seal(name, body, key: null));
    }
}
