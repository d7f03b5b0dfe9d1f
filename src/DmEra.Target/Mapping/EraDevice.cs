using DmEra.Devices;
using DmEra.Target.History;

namespace DmEra.Target.Mapping;

/// <summary>
/// What clients of the target see: the origin, with every change of its content recorded before it happens (kernel:
/// <c>era_map</c>). The rule is <b>mark durable, then write</b>; it stands in <see cref="Write"/>.
/// </summary>
/// <remarks>Requests wait while the target is suspended. One that meets marked blocks only takes no lock of the target and
/// allocates nothing.</remarks>
internal sealed class EraDevice(
    IBlockDevice origin, RequestGate gate, EraWorker worker, MarkAhead markAhead, long blockSizeBytes)
    : IBlockDevice
{
    private long _length;

    /// <inheritdoc/>
    public long Length => Volatile.Read(ref _length);

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        gate.EnterRead();
        try
        {
            RequireInside(offset, buffer.Length, Errno.EIO);
            origin.Read(offset, buffer);
        }
        finally
        {
            gate.ExitRead();
        }
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Writeset writeset = gate.EnterWrite();
        try
        {
            MakeMarksDurable(writeset, offset, data.Length);
            origin.Write(offset, data);
        }
        finally
        {
            writeset.Writes.Exit();
        }
    }

    /// <inheritdoc/>
    /// <remarks>Marks are durable before the writes they are for: there is nothing but the origin to flush.</remarks>
    public void Flush()
    {
        gate.EnterRead();
        try
        {
            origin.Flush();
        }
        finally
        {
            gate.ExitRead();
        }
    }

    /// <inheritdoc/>
    public void Trim(long offset, long length)
    {
        Writeset writeset = gate.EnterWrite();
        try
        {
            MakeMarksDurable(writeset, offset, length);
            origin.Trim(offset, length);
        }
        finally
        {
            writeset.Writes.Exit();
        }
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        Writeset writeset = gate.EnterWrite();
        try
        {
            MakeMarksDurable(writeset, offset, length);
            origin.WriteZeroes(offset, length, mode);
        }
        finally
        {
            writeset.Writes.Exit();
        }
    }

    /// <inheritdoc/>
    public bool TryReadNow(long offset, Span<byte> buffer)
    {
        if (!gate.TryEnterRead()) return false;
        try
        {
            RequireInside(offset, buffer.Length, Errno.EIO);
            return origin.TryReadNow(offset, buffer);
        }
        finally
        {
            gate.ExitRead();
        }
    }

    /// <inheritdoc/>
    public bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
    {
        if (!gate.TryEnterWrite(out Writeset? writeset)) return false;
        try
        {
            return writeset.IsMarked(BlocksOf(offset, data.Length)) && origin.TryWriteNow(offset, data);
        }
        finally
        {
            writeset.Writes.Exit();
        }
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        if (!gate.TryEnterRead()) return;
        try
        {
            RequireInside(offset, length, Errno.EIO);
            origin.Prefetch(offset, length);
        }
        finally
        {
            gate.ExitRead();
        }
    }

    /// <summary>Changes the length; only while the gate is closed and nothing is on its way.</summary>
    public void SetLength(long bytes) => Volatile.Write(ref _length, bytes);

    /// <inheritdoc/>
    /// <remarks>The target owns the devices; disposing of what it lends to clients does nothing.</remarks>
    public void Dispose()
    {
    }

    // Every block that the range touches counts as written, however little of it is.
    private void MakeMarksDurable(Writeset writeset, long offset, long length)
    {
        BlockRange blocks = BlocksOf(offset, length);
        if (!writeset.IsMarked(blocks)) worker.Mark(markAhead.Widen(blocks, BlocksUpTo(_length)));
    }

    private BlockRange BlocksOf(long offset, long length)
    {
        RequireInside(offset, length, Errno.ENOSPC);
        if (length == 0) return default;
        return new BlockRange((uint)(offset / blockSizeBytes), BlocksUpTo(offset + length));
    }

    private uint BlocksUpTo(long end) => (uint)((end - 1) / blockSizeBytes) + 1;

    // Checked inside the gate: the device may have shrunk while the request waited.
    private void RequireInside(long offset, long length, int errno)
    {
        if (offset < 0 || length < 0 || offset > _length - length)
            throw new DeviceException("era device: request past the end", errno);
    }
}
