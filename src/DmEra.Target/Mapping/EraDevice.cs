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
    IBlockDevice origin, OriginFlusher flusher, RequestGate gate, EraWorker worker, MarkAhead markAhead, long blockSizeBytes)
    : ForwardingDevice(origin)
{
    private long _length;

    /// <inheritdoc/>
    public override long Length => Volatile.Read(ref _length);

    /// <inheritdoc/>
    public override void Read(long offset, Span<byte> buffer)
    {
        gate.EnterRead();
        try
        {
            RequireInside(offset, buffer.Length, Errno.EIO);
            Inner.Read(offset, buffer);
        }
        finally
        {
            gate.ExitRead();
        }
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> data)
    {
        Writeset writeset = gate.EnterWrite();
        try
        {
            MakeMarksDurable(writeset, offset, data.Length);
            Inner.Write(offset, data);
        }
        finally
        {
            writeset.Writes.Exit();
        }
    }

    /// <inheritdoc/>
    /// <remarks>Marks are durable before the writes they are for: there is nothing but the origin to flush.</remarks>
    public override void Flush()
    {
        gate.EnterRead();
        try
        {
            flusher.Flush();
        }
        finally
        {
            gate.ExitRead();
        }
    }

    /// <inheritdoc/>
    public override void Trim(long offset, long length)
    {
        Writeset writeset = gate.EnterWrite();
        try
        {
            MakeMarksDurable(writeset, offset, length);
            Inner.Trim(offset, length);
        }
        finally
        {
            writeset.Writes.Exit();
        }
    }

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        Writeset writeset = gate.EnterWrite();
        try
        {
            MakeMarksDurable(writeset, offset, length);
            Inner.WriteZeroes(offset, length, mode);
        }
        finally
        {
            writeset.Writes.Exit();
        }
    }

    /// <inheritdoc/>
    public override bool TryReadNow(long offset, Span<byte> buffer)
    {
        if (!gate.TryEnterRead()) return false;
        try
        {
            RequireInside(offset, buffer.Length, Errno.EIO);
            return base.TryReadNow(offset, buffer);
        }
        finally
        {
            gate.ExitRead();
        }
    }

    /// <inheritdoc/>
    public override bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
    {
        if (!gate.TryEnterWrite(out Writeset? writeset)) return false;
        try
        {
            return IsMarked(writeset, BlocksOf(offset, data.Length)) && base.TryWriteNow(offset, data);
        }
        finally
        {
            writeset.Writes.Exit();
        }
    }

    /// <inheritdoc/>
    public override void Prefetch(long offset, long length)
    {
        if (!gate.TryEnterRead()) return;
        try
        {
            RequireInside(offset, length, Errno.EIO);
            base.Prefetch(offset, length);
        }
        finally
        {
            gate.ExitRead();
        }
    }

    /// <inheritdoc/>
    public override void BeginFlush(long offset, long length)
    {
        if (!gate.TryEnterRead()) return;
        try
        {
            RequireInside(offset, length, Errno.EIO);
            base.BeginFlush(offset, length);
        }
        finally
        {
            gate.ExitRead();
        }
    }

    /// <inheritdoc/>
    /// <remarks>The table says how long the device is, and <see cref="EraTarget.Resize"/> changes it.</remarks>
    public override bool TryExtend(long length) => false;

    /// <inheritdoc/>
    public override void RefreshLength()
    {
    }

    /// <summary>Changes the length; only while the gate is closed and nothing is on its way.</summary>
    public void SetLength(long bytes) => Volatile.Write(ref _length, bytes);

    /// <inheritdoc/>
    /// <remarks>The target owns the devices; disposing of what it lends to clients does nothing.</remarks>
    public override void Dispose()
    {
    }

    // Every block that the range touches counts as written, however little of it is.
    private void MakeMarksDurable(Writeset writeset, long offset, long length)
    {
        BlockRange blocks = BlocksOf(offset, length);
        if (!IsMarked(writeset, blocks)) worker.Mark(blocks);
    }

    private bool IsMarked(Writeset writeset, BlockRange blocks)
    {
        if (!writeset.IsMarked(blocks)) return false;
        if (markAhead.Reach(blocks)) worker.MarkAhead();
        return true;
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
