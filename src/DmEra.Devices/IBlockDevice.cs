namespace DmEra.Devices;

/// <summary>
/// A randomly accessible run of bytes: a disk image, a block node, memory, or a filter in front of one of these.
/// All members may be called from any thread at any time. Offsets and lengths are in bytes and must lie within
/// <see cref="Length"/>.
/// </summary>
/// <remarks>
/// Faults of the device are <see cref="DeviceException"/>s, which carry the operating system's error number.
/// A write is stable only after a <see cref="Flush"/> that began after the write returned.
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

    /// <summary>Says that a range will not be written again soon, so that the device can begin with what <see cref="Flush"/>
    /// will have to wait for. A hint: it may do nothing.</summary>
    void BeginFlush(long offset, long length)
    {
    }

    /// <summary>Says that the content of a range is no longer needed; what is read from it afterwards is undefined.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    void Trim(long offset, long length);

    /// <summary>Makes a range read as zeroes.</summary>
    /// <exception cref="DeviceException">The device failed, is full, or cannot do it in the way asked for.</exception>
    void WriteZeroes(long offset, long length, ZeroingMode mode);

    /// <summary>Reads if that needs no waiting, as when the page cache has the range.</summary>
    /// <returns>false when it would have to wait, or cannot tell; <paramref name="buffer"/> is then undefined.</returns>
    /// <exception cref="DeviceException">The device failed.</exception>
    bool TryReadNow(long offset, Span<byte> buffer) => false;

    /// <summary>Writes if that is not expected to wait for a disk, a commit or another machine.</summary>
    /// <returns>false when it would have to wait, or cannot tell; nothing has been written then.</returns>
    /// <exception cref="DeviceException">The device failed or is full.</exception>
    bool TryWriteNow(long offset, ReadOnlySpan<byte> data) => false;

    /// <summary>Says that a range will be read soon, so that it can be brought nearer. A hint: it may do nothing.</summary>
    void Prefetch(long offset, long length)
    {
    }

    /// <summary>Makes the device longer, with the space for it reserved; the new part reads as zeroes.</summary>
    /// <returns>false when this kind of device has a fixed size.</returns>
    /// <exception cref="DeviceException">There is no space for it: the length is as before.</exception>
    bool TryExtend(long length) => false;

    /// <summary>Looks again how long the device is: somebody may have extended the file or the volume.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    void RefreshLength()
    {
    }
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
