using System.Diagnostics;
using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.SpaceMaps;

namespace DmEra.Benchmarks;

/// <summary>What metadata transactions cost: one that copies 64 MiB of array blocks, as digestion does, and many that
/// change one value, as first writes do.</summary>
internal static class MetadataTransactions
{
    private const uint ArrayBlocks = 16384;
    private const int SmallCommits = 5000;
    private const long DeviceBytes = 256L << 20;

    public static int Run(string? path)
    {
        using IBlockDevice device = path is null ? new MemoryBlockDevice((int)DeviceBytes) : FileBlockDevice.Open(path);
        MetadataStore store = MetadataStore.Create(
            new BlockManager(device), new SuperblockFormat(new PlainValidator(), SpaceMapRootOffsetBytes: 44));
        PersistentArray<Le32> array = new(store.Transactions);
        uint length = ArrayBlocks * (uint)array.EntriesPerBlock;
        ulong root = array.Create(length, 0);
        store.Commit(FillNothing);

        for (uint round = 1; round <= 5; round++)
        {
            Measure($"one transaction, {ArrayBlocks} array blocks copied", () =>
            {
                for (uint i = 0; i < length; i += (uint)array.EntriesPerBlock) root = array.Set(root, i, round);
                store.Commit(FillNothing);
            });
        }

        for (uint round = 1; round <= 3; round++)
        {
            Measure($"{SmallCommits} transactions, one array block copied", () =>
            {
                for (uint i = 0; i < SmallCommits; i++)
                {
                    root = array.Set(root, i * 7919 % length, round);
                    store.Commit(FillNothing);
                }
            });
        }

        return 0;
    }

    private static void Measure(string what, Action action)
    {
        using Process process = Process.GetCurrentProcess();
        TimeSpan processorTime = process.TotalProcessorTime;
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        Stopwatch elapsed = Stopwatch.StartNew();
        action();
        elapsed.Stop();
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        process.Refresh();
        processorTime = process.TotalProcessorTime - processorTime;
        Console.WriteLine(
            $"{what}: {elapsed.ElapsedMilliseconds} ms, {processorTime.TotalMilliseconds:F0} ms of processor, {allocated} bytes allocated");
    }

    private static void FillNothing(Span<byte> superblock)
    {
    }

    private sealed class PlainValidator() : BlockValidator("superblock", salt: 1, addressOffset: 8)
    {
        protected override void CheckContent(ulong address, ReadOnlySpan<byte> block)
        {
        }
    }
}
