namespace DmEra.Devices;

/// <summary>
/// A randomly accessible run of bytes: a disk image, a block node, memory, or a filter in front of one of these.
/// All members may be called from any thread at any time. Offsets and lengths are in bytes and must lie within
/// <see cref="Length"/>.
/// </summary>
/// <remarks>
/// Faults of the device are <see cref="DeviceException"/>s, which carry the operating system's error number.
/// A write is stable only after a <see cref="Flush"/> that began after the write returned.
/// <para>What some devices can do beyond this are interfaces of their own: <see cref="IImmediateAccess"/>,
/// <see cref="IReadAhead"/>, <see cref="IWriteBehind"/>, <see cref="IExtendable"/>, <see cref="IReservable"/>,
/// <see cref="IRefreshable"/>, <see cref="IUnflushedWrites"/>. Whoever uses one often asks for it once, with <c>as</c>, when it gets the device. Filters derive from <see cref="ForwardingDevice"/>.</para>
/// </remarks>
public interface IBlockDevice : IDisposable
{
    /// <summary>Size in bytes.</summary>
    long Length { get; }

    /// <summary>Fills <paramref name="buffer"/> with the bytes at <paramref name="offset"/>.</summary>
    /// <exception cref="DeviceException">The device failed or is shorter than the range.</exception>
    void Read(long offset, Span<byte> buffer);

    /// <summary>Writes all of <paramref name="data"/> at <paramref name="offset"/>.</summary>
    /// <exception cref="DeviceException">The device failed or is full.</exception>
    void Write(long offset, ReadOnlySpan<byte> data);

    /// <summary>Makes every write that has returned survive a power failure.</summary>
    /// <exception cref="DeviceException">The device failed: what was written since the last flush may be lost.</exception>
    void Flush();

    /// <summary>Says that the content of a range is no longer needed; what is read from it afterwards is undefined.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    void Trim(long offset, long length);

    /// <summary>Makes a range read as zeroes.</summary>
    /// <exception cref="DeviceException">The device failed, is full, or cannot do it in the way asked for.</exception>
    void WriteZeroes(long offset, long length, ZeroingMode mode);
}

/// <summary>How a range may be zeroed.</summary>
public enum ZeroingMode
{
    /// <summary>The range may become a hole, so that its space is given back.</summary>
    MayDeallocate,

    /// <summary>The range must stay allocated, so that a later write cannot run out of space.</summary>
    KeepAllocated,

    /// <summary>As <see cref="MayDeallocate"/>, but only if it is faster than writing zeroes; otherwise it fails
    /// with ENOTSUP and nothing has changed.</summary>
    FastOnly,

    /// <summary>As <see cref="KeepAllocated"/>, but only if it is faster than writing zeroes; otherwise it fails
    /// with ENOTSUP and nothing has changed.</summary>
    FastOnlyKeepAllocated,
}
