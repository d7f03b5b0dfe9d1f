using DmEra.Devices;

namespace DmEra.Simulation.Devices;

/// <summary>Which operations of a disk fail, and how; all of it follows from the seed.</summary>
public sealed class FaultPlan
{
    private const int SlowestMicroseconds = 20_000;

    private readonly Random _random;
    private long _operations;

    /// <summary>Creates a plan; what it leaves open follows <paramref name="random"/>.</summary>
    public FaultPlan(Random random) => _random = random;

    /// <summary>The operation that fails, counted from 0; null for none.</summary>
    public long? FailAt { get; init; }

    /// <summary>How many operations in a row fail from there on.</summary>
    public long FailCount { get; init; } = 1;

    /// <summary>With which error number.</summary>
    public int FailWith { get; init; } = Errno.EIO;

    /// <summary>A flush that fails forgets what it should have written: it stays visible, as in a page cache that takes
    /// it for clean, but no later flush makes it stable.</summary>
    public bool FailedFlushForgets { get; init; }

    /// <summary>One read in so many returns a flipped bit; 0 for none.</summary>
    public int CorruptOneReadIn { get; init; }

    /// <summary>One read in so many comes from a wrong place; 0 for none.</summary>
    public int MisdirectOneReadIn { get; init; }

    /// <summary>One operation in so many is slow; 0 for none.</summary>
    public int SlowOneIn { get; init; }

    /// <summary>Whether requests may fail because of this plan.</summary>
    public bool IsFaulty => FailAt is not null || CorruptOneReadIn > 0 || MisdirectOneReadIn > 0;

    /// <summary>Faults injected so far.</summary>
    public long Injected { get; private set; }

    internal void ThrowIfDue(DiskOperation operation)
    {
        long index = _operations++;
        if (FailAt is not { } first || index < first || index >= first + FailCount) return;
        Injected++;
        throw new DeviceException($"simulated disk: {operation.Kind} at {operation.Offset}", FailWith);
    }

    internal TimeSpan Delay() =>
        SlowOneIn > 0 && _random.Next(SlowOneIn) == 0
            ? TimeSpan.FromMicroseconds(_random.Next(SlowestMicroseconds))
            : TimeSpan.Zero;

    internal long Misdirect(long offset, long last)
    {
        // Not the first one, which asks whether the device is unformatted: zeroes in place of a superblock are just
        // what an unformatted device has.
        bool isFirst = _operations == 1;
        if (MisdirectOneReadIn == 0 || isFirst || _random.Next(MisdirectOneReadIn) != 0) return offset;
        Injected++;
        return _random.NextInt64((last / SimulatedDisk.Sector) + 1) * SimulatedDisk.Sector;
    }

    internal int TornLength(int length) =>
        Math.Min(length, _random.Next((length / SimulatedDisk.Sector) + 1) * SimulatedDisk.Sector);

    internal void Corrupt(Span<byte> buffer)
    {
        if (CorruptOneReadIn == 0 || buffer.IsEmpty || _random.Next(CorruptOneReadIn) != 0) return;
        Injected++;
        buffer[_random.Next(buffer.Length)] ^= (byte)(1 << _random.Next(8));
    }
}
