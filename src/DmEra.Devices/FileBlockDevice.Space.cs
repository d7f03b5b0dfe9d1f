using Microsoft.Win32.SafeHandles;

namespace DmEra.Devices;

// Length, space and holes.
public sealed partial class FileBlockDevice
{
    private const int ZeroAlignment = 4096;

    private static readonly byte[] Zeroes = new byte[1 << 20];

    /// <summary>Makes a regular file this long: what lies behind is gone.</summary>
    /// <exception cref="DeviceException">It cannot be done.</exception>
    public void Cut(long length) => SetLength(length);

    /// <inheritdoc/>
    public void Trim(long offset, long length)
    {
        try
        {
            if (IsRegularFile) LinuxFile.PunchHole(_file, offset, length);
            else LinuxFile.DiscardBlocks(_file, (ulong)offset, (ulong)length);
        }
        catch (DeviceException fault) when (IsUnsupported(fault))
        {
            // A hint: a disk or file system without discard, or finer than its granularity, keeps the bytes.
        }
        catch (DeviceException fault)
        {
            throw At("cannot discard", offset, fault);
        }
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        try
        {
            // On a block node fallocate wants whole sectors; what sticks out at the ends is written.
            long head = IsRegularFile ? 0 : Math.Min(-offset & (ZeroAlignment - 1), length);
            long tail = IsRegularFile ? 0 : (length - head) & (ZeroAlignment - 1);
            ZeroAligned(offset + head, length - head - tail, mode);
            ZeroByWriting(offset, head);
            ZeroByWriting(offset + length - tail, tail);
        }
        catch (DeviceException fault)
        {
            throw At("cannot write zeroes", offset, fault);
        }
    }

    /// <inheritdoc/>
    public bool TryExtend(long length)
    {
        if (!IsRegularFile) return false;
        if (length <= Length) return true;
        SetLength(length);
        return true;
    }

    /// <inheritdoc/>
    public void Reserve(long offset, long length)
    {
        if (!IsRegularFile) return;
        try
        {
            if (!TryAllocate(LinuxFile.Reserve, offset, length)) ReserveByWriting(offset, length);
        }
        catch (DeviceException fault)
        {
            throw new DeviceException($"{_path}: cannot reserve {length} bytes of its file system", fault.Errno);
        }
    }

    /// <summary>The end of the run of data, or of the hole, that starts at <paramref name="offset"/>: always behind it. What
    /// lies behind the end of the file, as after somebody has cut it off, is called data without an end: reading it fails,
    /// and nobody takes it for zeroes.</summary>
    /// <param name="offset">Bytes from the start.</param>
    /// <param name="isHole">True when the run reads as zeroes and takes no space.</param>
    public long EndOfRun(long offset, out bool isHole)
    {
        isHole = false;
        long end = LinuxFile.Length(_file);
        if (offset >= end) return long.MaxValue;
        if (!IsRegularFile) return end;
        long data = LinuxFile.Next(_file, offset, LinuxFile.SeekData);
        isHole = data != offset;
        if (isHole) return data < 0 ? end : data;

        // Somebody may have punched a hole here since: what was data a moment ago may be called so once more.
        long hole = LinuxFile.Next(_file, offset, LinuxFile.SeekHole);
        return hole < 0 ? end : Math.Max(hole, Math.Min((offset | (ZeroAlignment - 1)) + 1, end));
    }

    private void SetLength(long length)
    {
        try { LinuxFile.SetLength(_file, length); }
        catch (DeviceException fault)
        {
            throw new DeviceException($"{_path}: cannot be {length} bytes long", fault.Errno);
        }

        Volatile.Write(ref _length, length);
    }

    // On NFS before 4.2 and most of FUSE: what reads as zeroes may be a hole, and is none once zeroes were written and are
    // stable. Where equal blocks or zeroes take no space (ZFS) nothing can be promised.
    private void ReserveByWriting(long offset, long length)
    {
        // What the flush below is told of is for these zeroes alone: a loss of what was written before is no want of space.
        try { Flush(); }
        catch (DeviceException fault) { throw new DeviceException($"writes were lost: {fault.Message}", Errno.EIO); }

        byte[] buffer = new byte[(int)Math.Min(Zeroes.Length, length)];
        for (long end = offset + length; offset < end; offset += buffer.Length)
        {
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - offset));
            Read(offset, piece);
            for (int at = 0; at < piece.Length; at += ZeroAlignment)
            {
                Span<byte> block = piece[at..Math.Min(at + ZeroAlignment, piece.Length)];
                if (!block.ContainsAnyExcept((byte)0)) Write(offset + at, block);
            }
        }

        Flush();
    }

    private void ZeroAligned(long offset, long length, ZeroingMode mode)
    {
        if (length == 0) return;
        bool keepAllocated = mode is ZeroingMode.KeepAllocated or ZeroingMode.FastOnlyKeepAllocated;
        bool fastOnly = mode is ZeroingMode.FastOnly or ZeroingMode.FastOnlyKeepAllocated;
        if (!keepAllocated && TryAllocate(LinuxFile.PunchHole, offset, length)) return;

        // The kernel zeroes a block node by writing where the disk has no command for it: right, but not fast.
        if (!(fastOnly && !IsRegularFile) && TryAllocate(LinuxFile.ZeroRange, offset, length)) return;
        if (fastOnly) throw new DeviceException("cannot zero fast", Errno.ENOTSUP);
        ZeroByWriting(offset, length);
    }

    private bool TryAllocate(Action<SafeFileHandle, long, long> allocate, long offset, long length)
    {
        try { allocate(_file, offset, length); }
        catch (DeviceException fault) when (IsUnsupported(fault)) { return false; }

        return true;
    }

    private void ZeroByWriting(long offset, long length)
    {
        for (long done = 0; done < length; done += Zeroes.Length)
            Write(offset + done, Zeroes.AsSpan(0, (int)Math.Min(Zeroes.Length, length - done)));
    }

    private static bool IsUnsupported(DeviceException fault) => fault.Errno is Errno.ENOTSUP or Errno.EINVAL or Errno.ENOSYS;
}
