using System.Diagnostics;
using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Benchmarks;

/// <summary>
/// Whether a query of the history stalls writes: how long these take on a device of 2^27 blocks with scattered eras, while
/// nobody asks, while one client asks without a pause, and while a thread is busy with something else; on a device at rest
/// and on one that checkpoints and digests.
/// </summary>
internal static class QueryBenchmark
{
    private const uint Blocks = 1 << 27;
    private const uint BlockSectors = 128;
    private const int BlockBytes = (int)BlockSectors * EraTable.SectorSize;
    private const int MarkedBlocks = 64;
    private const long DiscardBytes = 1L << 36;
    private const long QueryBytes = 1L << 32;       // no client asks for more without extended headers
    private const int QueryExtents = 1 << 16;

    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private enum Writes
    {
        Repeated,
        First,
    }

    /// <summary>Runs all and prints a Markdown table.</summary>
    /// <param name="folder">Where to put the metadata, 1 GiB.</param>
    public static int Run(string folder)
    {
        string path = Path.Combine(folder, $"era-benchmark-{Environment.ProcessId}");
        ToolsMetadata.Write(path, Blocks, writesets: 0);
        FileBlockDevice metadata = FileBlockDevice.Open(path);
        File.Delete(path);
        EraTable table = new(0, Blocks * (long)BlockSectors, "metadata", "origin", BlockSectors);
        using EraTarget target = EraTarget.Create(table, metadata, new EmptyDevice(table.LengthBytes), new EraTargetOptions());
        target.Resume();
        Console.WriteLine("| writes | meanwhile | a second | p50 µs | p99.9 µs | most µs | over 5 ms |");
        Console.WriteLine("|---|---|---:|---:|---:|---:|---:|");
        foreach (Writes writes in Enum.GetValues<Writes>())
        {
            Measure(target, writes, "nothing");
            Measure(target, writes, "queries", stop => Ask(target, stop));
            Measure(target, writes, "a busy thread", Spin);
            Measure(target, writes, "checkpoints", stop => Checkpoint(target, stop));
            Measure(target, writes, "checkpoints, queries", stop => Checkpoint(target, stop), stop => Ask(target, stop));
            Measure(target, writes, "checkpoints, a busy thread", stop => Checkpoint(target, stop), Spin);
        }

        return 0;
    }

    private static void Measure(EraTarget target, Writes writes, string meanwhile, params Action<CancellationToken>[] others)
    {
        using CancellationTokenSource stop = new();
        Thread[] threads = [.. others.Select(other => new Thread(() => other(stop.Token)))];
        foreach (Thread thread in threads) thread.Start();
        LatencyHistogram latencies = new();
        Random random = new();      // what an earlier measurement has marked is not marked again
        byte[] data = new byte[4096];
        long begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin) < Duration)
        {
            long block = random.NextInt64(writes == Writes.First ? Blocks : MarkedBlocks);
            long sent = Stopwatch.GetTimestamp();
            target.Device.Write(block * BlockBytes, data);
            latencies.Add(Stopwatch.GetElapsedTime(sent));
        }

        stop.Cancel();
        foreach (Thread thread in threads) thread.Join();
        Console.WriteLine(
            $"| {writes} | {meanwhile} | {latencies.Count / Duration.TotalSeconds:N0} | {latencies.Percentile(50):N0} "
            + $"| {latencies.Percentile(99.9):N0} | {latencies.Most:N0} | {latencies.CountOver(5000)} |");
    }

    // What has nothing to do with the device, and takes as much of the processor as a client that asks.
    private static void Spin(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested) Thread.SpinWait(100);
    }

    // From one end to the other, as tools go over a map: half of the blocks that were ever written, with as many extents as
    // fit; the numbers of the eras; and, in one go, a search that finds next to nothing.
    private static void Ask(EraTarget target, CancellationToken stop)
    {
        EraContexts contexts = new(target);
        List<Extent> extents = [];
        long length = target.Device.Length;
        for (long at = 0; !stop.IsCancellationRequested; at = (at + QueryBytes) % length)
        {
            Ask("era:since-101", at, QueryBytes);
            Ask("era:last", at, QueryBytes);
            if (at % (64 * QueryBytes) == 0) Ask($"era:since-{target.Status.CurrentEra}", 0, length);
        }

        void Ask(string name, long offset, long bytes)
        {
            extents.Clear();
            contexts.Find(name)!.Describe(offset, bytes, QueryExtents, extents);
        }
    }

    // What was discarded is marked, and gives digestion something to do.
    private static void Checkpoint(EraTarget target, CancellationToken stop)
    {
        Random random = new(2);
        while (!stop.WaitHandle.WaitOne(Pause))
        {
            target.Device.Trim(random.NextInt64(target.Device.Length - DiscardBytes), DiscardBytes);
            target.Checkpoint();
        }
    }

    /// <summary>An origin that takes no time.</summary>
    private sealed class EmptyDevice(long length) : IBlockDevice
    {
        public long Length => length;

        public void Read(long offset, Span<byte> buffer) => buffer.Clear();

        public void Write(long offset, ReadOnlySpan<byte> data)
        {
        }

        public void Flush()
        {
        }

        public void Trim(long offset, long length)
        {
        }

        public void WriteZeroes(long offset, long length, ZeroingMode mode)
        {
        }

        public void Dispose()
        {
        }
    }
}
