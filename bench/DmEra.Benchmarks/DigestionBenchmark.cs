using System.Diagnostics;
using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Target.Metadata;

namespace DmEra.Benchmarks;

/// <summary>What the metadata's worker has to do: digest a full writeset of 2^24 blocks, and mark the first writes of many
/// clients with few commits.</summary>
internal static class DigestionBenchmark
{
    private const uint DigestedBlocks = 1 << 24;
    private const int MarkedBlocks = 1 << 16;
    private const int BlockBytes = 4096;
    private const int MetadataBytes = 512 << 20;

    /// <summary>Runs both parts and prints what they took.</summary>
    /// <param name="folder">Where to put the metadata; null: in memory.</param>
    public static int Run(string? folder)
    {
        for (int round = 0; round < 3; round++) Digest(folder);
        foreach (int depth in new[] { 1, 2, 8, 32 }) MarkAtDepth(folder, depth);
        return 0;
    }

    private static void Digest(string? folder)
    {
        using IBlockDevice device = Metadata(folder);
        EraMetadata metadata = EraMetadata.OpenOrFormat(device, cacheBlocks: 4096, dataBlockSize: 8, Guid.Empty);
        EraTransactions eras = new(metadata, SystemThreads.Instance, new MarkAhead(0), Console.Error.WriteLine);
        eras.Resume(DigestedBlocks);
        MarkGroup everything = new(SystemThreads.Instance);
        everything.Add(new BlockRange(0, DigestedBlocks));
        Measure($"marking {DigestedBlocks} blocks at once", () => eras.Mark(everything));
        eras.RollOver();
        Measure($"digesting {DigestedBlocks} marked blocks", () =>
        {
            while (eras.HasDigestion) eras.DigestStep();
        });
    }

    private static void MarkAtDepth(string? folder, int depth)
    {
        using CountingDevice metadata = new(Metadata(folder));
        EraTable table = new(0, MarkedBlocks * (BlockBytes / 512), "metadata", "origin", BlockBytes / 512);
        using EraTarget target = EraTarget.Create(
            table, metadata, new MemoryBlockDevice(MarkedBlocks * BlockBytes), new EraTargetOptions());
        target.Resume();
        int[] blocks = [.. Enumerable.Range(0, MarkedBlocks)];
        new Random(1).Shuffle(blocks);
        int writes = Math.Min(MarkedBlocks, depth * 1000), next = -1;
        long commitsBefore = metadata.Commits;
        Stopwatch elapsed = Stopwatch.StartNew();
        Thread[] clients = [.. Enumerable.Range(0, depth).Select(_ => new Thread(Client))];
        foreach (Thread client in clients) client.Start();
        foreach (Thread client in clients) client.Join();
        elapsed.Stop();
        long commits = metadata.Commits - commitsBefore;
        Console.WriteLine(
            $"first writes at depth {depth}: {writes / elapsed.Elapsed.TotalSeconds:F0} a second, "
            + $"{(double)writes / commits:F1} to a commit");

        void Client()
        {
            byte[] data = new byte[BlockBytes];
            int mine;
            while ((mine = Interlocked.Increment(ref next)) < writes)
                target.Device.Write((long)blocks[mine] * BlockBytes, data);
        }
    }

    private static IBlockDevice Metadata(string? folder)
    {
        if (folder is null) return new MemoryBlockDevice(MetadataBytes);
        string path = Path.Combine(folder, $"era-benchmark-{Environment.ProcessId}");
        using (FileStream file = new(path, FileMode.Create)) file.SetLength(MetadataBytes);
        FileBlockDevice device = FileBlockDevice.Open(path);
        File.Delete(path);
        return device;
    }

    private static void Measure(string what, Action action)
    {
        // On a machine that is busy with other work the processor's time tells more.
        TimeSpan processor = Environment.CpuUsage.TotalTime;
        Stopwatch elapsed = Stopwatch.StartNew();
        action();
        elapsed.Stop();
        processor = Environment.CpuUsage.TotalTime - processor;
        Console.WriteLine($"{what}: {elapsed.Elapsed.TotalMilliseconds:F1} ms, {processor.TotalMilliseconds:F1} ms of processor");
    }

    /// <summary>Counts writes of the superblock.</summary>
    private sealed class CountingDevice(IBlockDevice device) : ForwardingDevice(device)
    {
        private long _commits;

        public long Commits => Volatile.Read(ref _commits);

        public override void Write(long offset, ReadOnlySpan<byte> data)
        {
            if (offset == 0) Interlocked.Increment(ref _commits);
            base.Write(offset, data);
        }

        public override void Dispose() => Inner.Dispose();
    }
}
