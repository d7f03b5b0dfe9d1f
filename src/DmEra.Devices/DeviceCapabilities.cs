namespace DmEra.Devices;

/// <summary>A device that can often do small requests without waiting for a disk, a commit or another machine.</summary>
public interface IImmediateAccess
{
    /// <summary>Reads if that needs no waiting, as when the page cache has the range.</summary>
    /// <returns>false when it would have to wait, or cannot tell; <paramref name="buffer"/> is then undefined.</returns>
    /// <exception cref="DeviceException">The device failed.</exception>
    bool TryReadNow(long offset, Span<byte> buffer);

    /// <summary>Writes if that is not expected to wait.</summary>
    /// <returns>false when it would have to wait, or cannot tell; nothing has been written then.</returns>
    /// <exception cref="DeviceException">The device failed or is full.</exception>
    bool TryWriteNow(long offset, ReadOnlySpan<byte> data);
}

/// <summary>A device that can bring nearer what will be read.</summary>
public interface IReadAhead
{
    /// <summary>Says that a range will be read soon. A hint: it may do nothing, and waits for nothing.</summary>
    void Prefetch(long offset, long length);
}

/// <summary>A device that can begin early with what a flush would have to wait for.</summary>
public interface IWriteBehind
{
    /// <summary>Says that a range will not be written again soon. A hint: it may do nothing.</summary>
    void BeginFlush(long offset, long length);
}

/// <summary>A device that can be made longer from here.</summary>
public interface IExtendable
{
    /// <summary>Makes the device longer; the new part reads as zeroes, and need not have its space yet:
    /// <see cref="IReservable"/>.</summary>
    /// <returns>false when this one has a fixed size.</returns>
    /// <exception cref="DeviceException">It cannot be so long: the length is as before.</exception>
    bool TryExtend(long length);
}

/// <summary>A device that takes space when it is written to, as a sparse file does, and can take it beforehand. Every other
/// device has all of its space from the start.</summary>
public interface IReservable
{
    /// <summary>Takes the space of a range, so that writing to it cannot run out of space. What the range holds stays; nobody
    /// may write to it meanwhile.</summary>
    /// <exception cref="DeviceException">ENOSPC or EDQUOT: there is no space for all of it; for a part there may have
    /// been. Or the device failed.</exception>
    void Reserve(long offset, long length);
}

/// <summary>A device whose length somebody else may change.</summary>
public interface IRefreshable
{
    /// <summary>Looks again how long the device is: somebody may have extended the file or the volume.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    void RefreshLength();
}

/// <summary>A device that may keep what was written until a flush has succeeded.</summary>
public interface IUnflushedWrites
{
    /// <summary>True when what a flush that failed was for is written again, so that a later one that succeeds is for that as
    /// well.</summary>
    bool AreKept { get; }
}
