using DmEra.Devices;

namespace DmEra.Simulation.Devices;

/// <summary>Which operations of a disk fail, and how; all of it follows from the seed.</summary>
public sealed class FaultPlan
{
    private const int SlowestMicroseconds = 20_000;

    private readonly Random _random;
    private bool _hasRead;
    private int? _flushesLeft;

    /// <summary>Creates a plan; what it leaves open follows <paramref name="random"/>.</summary>
    public FaultPlan(Random random) => _random = random;

    /// <summary>The operation that fails, counted from 0; null for none.</summary>
    public long? FailAt { get; init; }

    /// <summary>Only operations of this kind are counted, and fail; null for all.</summary>
    public DiskOperationKind? FailOnly { get; init; }

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

    /// <summary>One read in so many breaks off and fails; 0 for none.</summary>
    public int ShortenOneReadIn { get; init; }

    /// <summary>One operation in so many is slow; 0 for none.</summary>
    public int SlowOneIn { get; init; }

    /// <summary>Whether requests may fail because of this plan.</summary>
    public bool IsFaulty => FailAt is not null || CorruptOneReadIn > 0 || MisdirectOneReadIn > 0 || ShortenOneReadIn > 0;

    /// <summary>Operations counted so far.</summary>
    public long Operations { get; private set; }

    /// <summary>Faults injected so far.</summary>
    public long Injected { get; private set; }

    /// <summary>Has the flush fail that comes after so many others.</summary>
    public void FailFlushAfter(int others) => _flushesLeft = others;

    internal void ThrowIfDue(DiskOperation operation)
    {
        if (operation.Kind == DiskOperationKind.Flush && _flushesLeft-- == 0) throw Fault("flush", FailWith);
        if (FailOnly is { } kind && operation.Kind != kind) return;
        long index = Operations++;
        if (FailAt is not { } first || index < first || index >= first + FailCount) return;
        throw Fault($"{operation.Kind} at {operation.Offset}", FailWith);
    }

    internal TimeSpan Delay()
    {
        if (!IsDue(SlowOneIn)) return TimeSpan.Zero;
        Injected++;
        return TimeSpan.FromMicroseconds(_random.Next(SlowestMicroseconds));
    }

    /// <summary>Whether an operation would have to wait.</summary>
    internal bool IsBusy() => _random.Next(2) == 0;

    /// <summary>Where a read finds its bytes.</summary>
    internal ReadOnlySpan<byte> Misdirect(ReadOnlySpan<byte> disk, long offset, int length)
    {
        bool isFirst = !_hasRead;
        _hasRead = true;
        ReadOnlySpan<byte> right = disk.Slice((int)offset, length);
        if (!IsDue(MisdirectOneReadIn)) return right;
        ReadOnlySpan<byte> wrong =
            disk.Slice(_random.Next(((disk.Length - length) / DiskContent.Sector) + 1) * DiskContent.Sector, length);
        if (isFirst && !wrong.ContainsAnyExcept((byte)0)) return right;
        Injected++;
        return wrong;
    }

    internal void ThrowIfShort(Span<byte> buffer)
    {
        if (buffer.IsEmpty || !IsDue(ShortenOneReadIn)) return;
        _random.NextBytes(buffer[_random.Next(buffer.Length)..]);
        throw Fault("read breaks off", Errno.EIO);
    }

    internal void Corrupt(Span<byte> buffer)
    {
        if (buffer.IsEmpty || !IsDue(CorruptOneReadIn)) return;
        Injected++;
        buffer[_random.Next(buffer.Length)] ^= (byte)(1 << _random.Next(8));
    }

    internal int TornLength(int length) =>
        Math.Min(length, _random.Next((length / DiskContent.Sector) + 1) * DiskContent.Sector);

    private bool IsDue(int oneIn) => oneIn > 0 && _random.Next(oneIn) == 0;

    private DeviceException Fault(string what, int errno)
    {
        Injected++;
        return new DeviceException($"simulated disk: {what}", errno);
    }
}
