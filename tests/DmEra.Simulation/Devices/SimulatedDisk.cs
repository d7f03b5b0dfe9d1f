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
/// <item>reads return what was written, unless the plan flips a bit in them, takes them from a wrong place, or breaks them
/// off. One exception: the first read of a life never comes from a place that is all zeroes, for that is what
/// unformatted metadata looks like;</item>
/// <item>when the program dies and the power stays on, what was written stays visible, and is lost or kept by the next
/// power cut as before.</item>
/// </list>
/// </summary>
internal sealed class SimulatedDisk : IBlockDevice, IImmediateAccess, IExtendable, IReservable
{
    private readonly Scheduler _scheduler;
    private readonly FaultPlan _faults;
    private readonly DiskContent _content;

    /// <summary>Connects a disk to a world.</summary>
    public SimulatedDisk(Scheduler scheduler, FaultPlan faults, DiskContent content)
    {
        _scheduler = scheduler;
        _faults = faults;
        _content = content;
    }

    /// <summary>Called at every operation before it does anything: the moments at which the power may go.</summary>
    public Action? Reached { get; set; }

    /// <summary>Called when a write changes the disk, with its range in bytes.</summary>
    public Action<long, int>? Changed { get; set; }

    /// <inheritdoc/>
    public long Length => _content.Length;

    /// <summary>Whether the disk can grow like a file.</summary>
    public bool CanGrow { get; init; }

    /// <summary>What the disk must ask for before it is written to; null when it has all of its space.</summary>
    public FileSystemSpace? Space { get; init; }

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        Step(new DiskOperation(DiskOperationKind.Read, offset, buffer.Length));
        ReadOnlySpan<byte> found = _faults.Misdirect(_content.Visible, offset, buffer.Length);
        found.CopyTo(buffer);
        _faults.Corrupt(buffer);
        _faults.ThrowIfShort(buffer);
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        if (Space?.IsBacked(offset, data.Length) == false) _scheduler.Fail($"the disk is written at {offset} before it has its space there");
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
        long last = _content.LastWrite;
        try
        {
            Step(new DiskOperation(DiskOperationKind.Flush, 0, 0));
        }
        catch (DeviceException) when (_faults.FailedFlushForgets)
        {
            _content.Forget(last);
            throw;
        }

        _content.MakeStable(last);
    }

    /// <inheritdoc/>
    public void Trim(long offset, long length) => WriteZeroes(offset, length, ZeroingMode.MayDeallocate);

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, ZeroingMode mode) => Write(offset, new byte[length]);

    /// <inheritdoc/>
    public bool TryReadNow(long offset, Span<byte> buffer)
    {
        if (_faults.IsBusy()) return false;
        Read(offset, buffer);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
    {
        if (_faults.IsBusy()) return false;
        Write(offset, data);
        return true;
    }

    /// <inheritdoc/>
    public bool TryExtend(long length)
    {
        if (!CanGrow) return false;
        Step(new DiskOperation(DiskOperationKind.Extend, length, 0));
        _content.Extend((int)length);
        return true;
    }

    /// <inheritdoc/>
    public void Reserve(long offset, long length)
    {
        if (Space is null) return;
        Step(new DiskOperation(DiskOperationKind.Reserve, offset, (int)length));
        Space.Reserve(offset, length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Apply(long offset, byte[] data)
    {
        if (data.Length == 0) return;
        Changed?.Invoke(offset, data.Length);
        _content.Write(offset, data);
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

    /// <summary>A request for space.</summary>
    Reserve,
}

/// <summary>One operation of a disk.</summary>
/// <param name="Kind">What.</param>
/// <param name="Offset">Bytes from the start; for <see cref="DiskOperationKind.Extend"/> the new length.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct DiskOperation(DiskOperationKind Kind, long Offset, int Length);
