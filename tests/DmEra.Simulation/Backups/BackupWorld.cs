using DmEra.Backup.Images;
using DmEra.Backup.Restoring;
using DmEra.Backup.Stores;
using DmEra.Backup.Taking;
using DmEra.Backup.Upkeep;
using DmEra.Devices;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Backups;

/// <summary>
/// A world of several machines and one repository: each makes images of the same disk, prunes, verifies and restores when it
/// likes, with clocks that differ; its programs are killed and fall asleep, and the store fails. The real code does all of
/// it. In the end everything goes well again, and everything must be possible.
/// </summary>
internal sealed class BackupWorld
{
    private const int LongestRestMinutes = 4;
    private const int LongestClockErrorMinutes = 8;

    // Longer than a lock lasts that nobody renews.
    private static readonly TimeSpan UntilLocksEnd = TimeSpan.FromMinutes(11);

    // Whatever goes wrong, each run of a program is over in so much time of the world.
    private static readonly TimeSpan LongestRun = TimeSpan.FromHours(8);

    private static readonly Troubles NoTroubles = new(0, 0, 0, 0);

    private readonly Random _random;
    private readonly Scheduler _scheduler;
    private readonly Bucket _bucket;
    private readonly TrackedDisk _disk;
    private readonly BackupOracle _oracle;
    private readonly Coverage _coverage;
    private readonly Troubles _troubles;
    private int _machinesLeft;

    private BackupWorld(int seed, Coverage coverage)
    {
        _random = new Random(seed);
        _scheduler = new Scheduler(_random.Next()) { Longest = TimeSpan.FromDays(60) };
        _bucket = new Bucket(new SimulatedTime(_scheduler));
        _disk = new TrackedDisk(_scheduler, new Random(_random.Next()));
        _oracle = new BackupOracle(_scheduler, _bucket, _disk, coverage, new Random(_random.Next()));
        _coverage = coverage;
        _troubles = new Troubles(
            Dies: _random.Next(2) * 60, Fails: _random.Next(2) * 60, IsFull: _random.Next(4) == 0 ? 6 : 0, StandsStill: _random.Next(2) * 60);
    }

    /// <summary>Runs one world.</summary>
    /// <returns>The hash of what happened in it.</returns>
    /// <exception cref="SimulationException">It broke a promise; the text has the command that replays it.</exception>
    public static string Run(int seed, Coverage coverage)
    {
        BackupWorld world = new(seed, coverage);
        world._scheduler.Start("main", world.Live);
        try { world._scheduler.Run(); }
        catch (SimulationException broken)
        {
            throw new SimulationException($"{broken.Message}\nreplay: simulation backups --seed {seed}", broken);
        }

        return world._oracle.TraceHash;
    }

    private void Live()
    {
        _machinesLeft = _random.Next(1, 5);
        for (int machine = _machinesLeft; machine > 0; machine--)
        {
            Random random = new(_random.Next());
            TimeSpan clockAhead = TimeSpan.FromMinutes(random.Next(-LongestClockErrorMinutes, LongestClockErrorMinutes));
            _scheduler.Start($"machine {machine}", () =>
            {
                for (int runs = random.Next(4, 14); runs > 0; runs--) RunSomething(random, clockAhead);
                _machinesLeft--;
                _scheduler.WakeAll(this);
            });
        }

        while (_machinesLeft > 0) _scheduler.Wait(this, Timeout.InfiniteTimeSpan);
        GoWellAgain();
    }

    private void RunSomething(Random random, TimeSpan clockAhead)
    {
        _scheduler.Wait(random, TimeSpan.FromMilliseconds(random.Next(LongestRestMinutes * 60_000)));
        _disk.Scribble();
        ProcessStore store = new(_scheduler, _bucket, _oracle, _troubles, new Random(random.Next()));
        Action<Repository> run = random.Next(10) switch
        {
            < 5 => Backup,
            < 7 => Prune,
            7 => repository => Verify(repository, store),
            _ => repository => Restore(repository, random),
        };
        TimeSpan began = _scheduler.Now;
        try
        {
            Run(store, new SimulatedThreads(_scheduler, clockAhead), run);
        }
        catch (ProcessKilledException)
        {
            _coverage.Count("program is killed");
        }
        catch (RepositoryException refusal)
        {
            if (!store.HadTrouble && !MustBeExpected(refusal)) throw;
            _coverage.Count(store.HadTrouble ? "program ends because of trouble" : "program is refused");
        }

        if (_scheduler.Now - began > LongestRun) _scheduler.Fail($"a run took {_scheduler.Now - began}");
    }

    private static void Run(ProcessStore store, SimulatedThreads threads, Action<Repository> run)
    {
        using Repository repository = Repository.Exists(store) ? Repository.Open(store, null, threads) : Repository.Create(store, null, threads);
        run(repository);
    }

    // Of others, or because of what they did: between looking for an image and the lock it may be pruned.
    private static bool MustBeExpected(RepositoryException refusal) =>
        refusal is ObjectMissingException
        || refusal.Message.Contains("in use by", StringComparison.Ordinal)
        || refusal.Message.Contains("there is a repository already", StringComparison.Ordinal)
        || refusal.Message.Contains("holds no image", StringComparison.Ordinal);

    private void Backup(Repository repository)
    {
        BackupKind kind = _random.Next(6) == 0 ? BackupKind.Full : BackupKind.Incremental;
        BackupReport report = BackupRun.Take(repository, _disk.AsSource(), kind, null, null, CancellationToken.None);
        _oracle.Made(report.Image.Number);
        _coverage.Count(report.WasContinued ? "image is made of what a backup has left" : "image is made");
    }

    private void Prune(Repository repository)
    {
        PruneReport report = DmEra.Backup.Upkeep.Prune.Run(
            repository, new KeepPolicy(BackupOracle.Kept, 0, 0, 0), DamagedImages.Count, CancellationToken.None);
        _oracle.Look();
        _coverage.Count(report.Dropped.Count > 0 ? "images are pruned" : "nothing is to be pruned");
        if (!report.IsCompact) _coverage.Count("prune finds no room");
    }

    // A program that stood still may have lost its lock, and what it was looking at.
    private void Verify(Repository repository, ProcessStore store)
    {
        VerifyReport report = DmEra.Backup.Upkeep.Verify.Run(repository, VerifyDepth.Content, null, CancellationToken.None);
        if (report.Damage.Count > 0 && !store.HadTrouble) throw new SimulationException($"verify finds damage: {report.Damage[0]}");
        _coverage.Count("repository is verified");
    }

    private void Restore(Repository repository, Random random)
    {
        IReadOnlyList<uint> numbers = repository.ImageNumbers();
        if (numbers.Count > 0) Restore(repository, repository.ReadImage(numbers[random.Next(numbers.Count)]));
    }

    private void Restore(Repository repository, ImageManifest image)
    {
        byte[] content = new byte[image.Device.SizeSectors * 512];
        ImageRestore.Run(repository, image, new MemoryBlockDevice(content), TargetContent.Zeroes, null, CancellationToken.None);
        if (_oracle.FindDifference(image.LastEra, content) is { } difference) throw new SimulationException($"a restore {difference}");
        _coverage.Count("image is restored");
    }

    // Whatever those before have left: nothing is in anybody's way for ever, nothing is damaged, and nothing stays for good.
    private void GoWellAgain()
    {
        _scheduler.Wait(this, UntilLocksEnd);
        SimulatedThreads threads = new(_scheduler);
        void RunWell(Action<Repository, ProcessStore> run)
        {
            ProcessStore store = new(_scheduler, _bucket, _oracle, NoTroubles, new Random(_random.Next()));
            Run(store, threads, repository => run(repository, store));
        }

        RunWell((repository, _) => Backup(repository));
        RunWell((repository, _) => Prune(repository));
        RunWell(Verify);
        RunWell((repository, _) =>
        {
            IReadOnlyList<uint> numbers = repository.ImageNumbers();
            if (numbers.Count is 0 or > BackupOracle.Kept) throw new SimulationException($"{numbers.Count} images are left after a prune");
            foreach (uint number in numbers) Restore(repository, repository.ReadImage(number));
        });
        if (_bucket.List(RepositoryLock.Prefix) is [var left, ..]) throw new SimulationException($"{left.Name} is left");
    }
}
