using System.Runtime.ExceptionServices;
using DmEra.Devices;
using DmEra.PersistentData.Reading;

namespace DmEra.Tools.Check;

/// <summary>An array block that is to be looked at, and the entries of the index that name it.</summary>
/// <param name="Array">What it is a block of.</param>
/// <param name="Begin">The number that the first entry gives it there.</param>
/// <param name="End">The number behind that of the last entry. Some between may name other blocks.</param>
/// <param name="Address">Where it is.</param>
internal readonly record struct ArrayBlockRef(WalkedArray Array, ulong Begin, ulong End, ulong Address)
{
    /// <summary>Entries from the first to the last.</summary>
    public uint Count => (uint)(End - Begin);
}

/// <summary>Has array blocks looked into by several threads, a batch at a time. What they find comes out in the order of
/// the blocks, however many threads there are.</summary>
internal sealed class ArrayBlockCrew(IBlockDevice device, Inspection inspection)
{
    // 64 MiB of metadata: enough to make the start of threads cheap, few enough to keep in mind.
    private const int BatchSize = 16384;
    private const int WorthAThread = 512;
    private const int MostThreads = 4;

    private readonly List<ArrayBlockRef> _batch = [];
    private readonly Dictionary<ulong, int> _places = [];     // of blocks in it

    /// <summary>Takes one more block; or more entries that name one, which is looked into once for all of them.</summary>
    public void Add(ArrayBlockRef block)
    {
        if (_places.TryGetValue(block.Address, out int place) && ReferenceEquals(_batch[place].Array, block.Array))
        {
            _batch[place] = _batch[place] with { End = block.End };
            return;
        }

        _places[block.Address] = _batch.Count;
        _batch.Add(block);
        if (_batch.Count == BatchSize) Complete();
    }

    /// <summary>Looks into the blocks that are left.</summary>
    public void Complete()
    {
        ArrayBlockRef[] blocks = [.. _batch];
        _batch.Clear();
        _places.Clear();
        int threads = Math.Clamp(blocks.Length / WorthAThread, 1, Math.Min(Environment.ProcessorCount, MostThreads));
        MetadataReader[] readers = new MetadataReader[threads];
        Worker[] workers = new Worker[threads];
        for (int i = 0; i < threads; i++)
        {
            int begin = (int)((long)blocks.Length * i / threads);
            int end = (int)((long)blocks.Length * (i + 1) / threads);
            readers[i] = new MetadataReader(device);
            workers[i] = new Worker(new ArrayBlockInspector(readers[i], inspection.Ledger), blocks.AsMemory(begin..end));
        }

        foreach (Worker worker in workers.AsSpan(1)) worker.Start();
        workers[0].Run();
        foreach (Worker worker in workers) worker.Join();
        foreach (MetadataReader reader in readers) reader.Dispose();
        foreach (Worker worker in workers) inspection.Faults.Add(worker.Faults);
    }

    private sealed class Worker
    {
        private readonly ArrayBlockInspector _inspector;
        private readonly ReadOnlyMemory<ArrayBlockRef> _blocks;
        private readonly Thread _thread;
        private Exception? _failure;

        public Worker(ArrayBlockInspector inspector, ReadOnlyMemory<ArrayBlockRef> blocks)
        {
            _inspector = inspector;
            _blocks = blocks;
            _thread = new Thread(Run) { Name = "era check", IsBackground = true };
        }

        public FaultLog Faults => _inspector.Faults;

        public void Start() => _thread.Start();

        public void Run()
        {
            try { _inspector.Inspect(_blocks.Span); }
            catch (Exception failure) { _failure = failure; }
        }

        public void Join()
        {
            if (_thread.IsAlive) _thread.Join();
            if (_failure is not null) ExceptionDispatchInfo.Throw(_failure);
        }
    }
}
