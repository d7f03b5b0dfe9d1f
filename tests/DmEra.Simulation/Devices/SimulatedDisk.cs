using DmEra.Devices;
using DmEra.Simulation.Scheduling;

namespace DmEra.Simulation.Devices;

/// <summary>
/// A disk with a volatile write cache, for a simulated world. The fault model:
/// <list type="bullet">
/// <item>a write that returned is visible to reads at once, and stable after the next flush that began later;</item>
/// <item>at a power cut each write since the last flush is kept, lost, or torn: each of its sectors of 512 bytes is
/// kept or lost by itself. Later writes may survive earlier ones;</item>
/// <item>a write or flush that is under way when the power goes counts as not flushed;</item>
/// <item>any operation may fail with an error of the plan's choice; a write that failed may have reached the disk in
/// part, a flush that failed has made nothing stable, and may have forgotten what it was to write, though reads still
/// return it;</item>
/// <item>any operation may be slow;</item>
/// <item>reads return what was written, unless the plan flips a bit in them or takes them from a wrong place.</item>
/// </list>
/// </summary>
public sealed class SimulatedDisk : IBlockDevice
{
    /// <summary>What a disk writes whole or not at all, in bytes.</summary>
    public const int Sector = 512;

    private readonly Scheduler _scheduler;
    private readonly FaultPlan _faults;
    private readonly List<(long Number, long Offset, byte[] Data)> _volatile = [];
    private long _writes;
    private byte[] _stable;
    private byte[] _visible;

    /// <summary>Creates a disk with this content, all of it stable.</summary>
    public SimulatedDisk(Scheduler scheduler, FaultPlan faults, byte[] content)
    {
        _scheduler = scheduler;
        _faults = faults;
        _stable = [.. content];
        _visible = [.. content];
    }

    /// <summary>Called at every operation before it does anything: the moments at which the power may go.</summary>
    public Action? Reached { get; set; }

    /// <summary>Called when a write changes the disk, with its range in bytes.</summary>
    public Action<long, int>? Changed { get; set; }

    /// <inheritdoc/>
    public long Length => _visible.Length;

    /// <summary>Whether the disk can grow like a file.</summary>
    public bool CanGrow { get; init; }

    /// <summary>Count of writes that a power cut might lose.</summary>
    public int VolatileWrites => _volatile.Count;

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        Step(new DiskOperation(DiskOperationKind.Read, offset, buffer.Length));
        long from = _faults.Misdirect(offset, Length - buffer.Length);
        _visible.AsSpan((int)from, buffer.Length).CopyTo(buffer);
        _faults.Corrupt(buffer);
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        byte[] copy = data.ToArray();
        DiskOperation operation = new(DiskOperationKind.Write, offset, copy.Length);
        try
        {
            Step(operation);
        }
        catch (DeviceException)
        {
            Apply(offset, copy.AsSpan(0, _faults.TornLength(copy.Length)).ToArray());
            throw;
        }

        Apply(offset, copy);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        long last = _writes;
        try
        {
            Step(new DiskOperation(DiskOperationKind.Flush, 0, 0));
        }
        catch (DeviceException) when (_faults.FailedFlushForgets)
        {
            _volatile.RemoveAll(write => write.Number <= last);
            throw;
        }

        // Another flush may have made some of them stable meanwhile.
        int begun = _volatile.TakeWhile(write => write.Number <= last).Count();
        foreach ((_, long offset, byte[] data) in _volatile.Take(begun)) data.CopyTo(_stable, offset);
        _volatile.RemoveRange(0, begun);
    }

    /// <inheritdoc/>
    public void Trim(long offset, long length) => WriteZeroes(offset, length, ZeroingMode.MayDeallocate);

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, ZeroingMode mode) => Write(offset, new byte[length]);

    /// <inheritdoc/>
    public bool TryExtend(long length)
    {
        if (!CanGrow) return false;
        Step(new DiskOperation(DiskOperationKind.Extend, length, 0));
        Array.Resize(ref _stable, (int)length);
        Array.Resize(ref _visible, (int)length);
        return true;
    }

    /// <summary>What the disk could hold if the power went now, as <paramref name="choices"/> decide it.</summary>
    public byte[] AfterPowerCut(Random choices)
    {
        byte[] content = [.. _stable];
        foreach ((_, long offset, byte[] data) in _volatile)
        {
            switch (choices.Next(4))
            {
                case 0 or 1:
                    data.CopyTo(content, offset);
                    break;
                case 2:
                    Tear(content, offset, data, choices);
                    break;
            }
        }

        return content;
    }

    /// <summary>What reads return now.</summary>
    public byte[] Visible() => [.. _visible];

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static void Tear(byte[] content, long offset, byte[] data, Random choices)
    {
        for (int at = 0; at < data.Length; at += Sector)
        {
            if (choices.Next(2) == 0) continue;
            int length = Math.Min(Sector, data.Length - at);
            data.AsSpan(at, length).CopyTo(content.AsSpan((int)offset + at));
        }
    }

    private void Apply(long offset, byte[] data)
    {
        if (data.Length == 0) return;
        Changed?.Invoke(offset, data.Length);
        data.CopyTo(_visible, offset);
        _volatile.Add((++_writes, offset, data));
    }

    private void Step(DiskOperation operation)
    {
        Reached?.Invoke();
        _scheduler.Yield();
        TimeSpan delay = _faults.Delay();
        if (delay > TimeSpan.Zero) _scheduler.Wait(this, delay);
        _faults.ThrowIfDue(operation);
    }
}

/// <summary>What a disk is asked to do.</summary>
public enum DiskOperationKind
{
    /// <summary>A read.</summary>
    Read,

    /// <summary>A write, a discard or a zeroing.</summary>
    Write,

    /// <summary>A flush of the volatile cache.</summary>
    Flush,

    /// <summary>A growth of the file.</summary>
    Extend,
}

/// <summary>One operation of a disk.</summary>
/// <param name="Kind">What.</param>
/// <param name="Offset">Bytes from the start; for <see cref="DiskOperationKind.Extend"/> the new length.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct DiskOperation(DiskOperationKind Kind, long Offset, int Length);
