using System.Collections.Concurrent;
using System.Diagnostics;
using DmEra.Fuzz.Metadata;
using DmEra.Fuzz.Xml;

namespace DmEra.Fuzz;

/// <summary>Many cases, each made from its own seed, on several threads. One that does not end counts as a finding as
/// well.</summary>
internal sealed class FuzzRun
{
    private const int MostThreads = 4;
    private const long MostBytes = 1L << 30;
    private const int MostSeconds = 120;

    private readonly IReadOnlyList<FuzzImage> _images;
    private readonly ConcurrentDictionary<int, int> _running = new();       // seed -> second in which it was begun
    private readonly Lock _lock = new();                                    // guards the three below
    private readonly Coverage _coverage = new();
    private FuzzException? _finding;
    private long _cases;
    private volatile int _second;       // counted, not read from a clock: it stands still while the process is stopped

    private FuzzRun(IReadOnlyList<FuzzImage> images) => _images = images;

    /// <summary>Runs cases until there are enough, or time is up.</summary>
    /// <param name="images">The images to damage.</param>
    /// <param name="firstSeed">Seed of the first case; the next ones count on.</param>
    /// <param name="count">How many.</param>
    /// <param name="limit">How long.</param>
    /// <returns>How many cases were run, and what became of them.</returns>
    /// <exception cref="FuzzException">A tool did what it must not; the message has the seed.</exception>
    public static (long Cases, Coverage Coverage) Run(IReadOnlyList<FuzzImage> images, int firstSeed, int count, TimeSpan limit)
    {
        FuzzRun run = new(images);
        int threads = Math.Clamp(Environment.ProcessorCount, 1, MostThreads);
        long until = limit == TimeSpan.MaxValue ? long.MaxValue : Stopwatch.GetTimestamp() + (long)(limit.TotalSeconds * Stopwatch.Frequency);
        Thread[] workers = [.. Enumerable.Range(0, threads).Select(first => new Thread(() => run.Work(firstSeed, first, threads, count, until)) { IsBackground = true })];
        foreach (Thread worker in workers) worker.Start();
        foreach (Thread worker in workers)
        {
            while (!worker.Join(TimeSpan.FromSeconds(1)))
            {
                run._second++;
                run.RequireNoneHangs();
            }
        }

        return run._finding is null ? (run._cases, run._coverage) : throw run._finding;
    }

    private void Work(int firstSeed, int first, int step, int count, long until)
    {
        Coverage coverage = new();
        long cases = 0;
        for (long i = first; i < count && Stopwatch.GetTimestamp() < until && Volatile.Read(ref _finding) is null; i += step, cases++)
            RunOne((int)(firstSeed + i), coverage);
        lock (_lock)
        {
            _coverage.Add(coverage);
            _cases += cases;
        }
    }

    private void RunOne(int seed, Coverage coverage)
    {
        _running[seed] = _second;
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            Random random = new(seed);
            if (random.Next(3) == 0) XmlCase.Run(random, coverage);
            else MetadataCase.Run(random, _images, coverage);
            if (GC.GetAllocatedBytesForCurrentThread() - before > MostBytes) throw new FuzzException("it takes too much memory");
        }
        catch (Exception finding)
        {
            lock (_lock) _finding ??= new FuzzException($"seed {seed}: {finding.Message}", finding);
        }

        _running.TryRemove(seed, out _);
    }

    private void RequireNoneHangs()
    {
        foreach ((int seed, int begun) in _running)
        {
            if (_second - begun > MostSeconds) throw new FuzzException($"seed {seed}: it does not end");
        }
    }
}
