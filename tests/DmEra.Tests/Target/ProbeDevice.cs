using System.Runtime.InteropServices;
using DmEra.Devices;

namespace DmEra.Tests.Target;

/// <summary>What is done to a device.</summary>
public enum DeviceCall
{
    Read,
    Write,
    Flush,
    Trim,
    WriteZeroes,
    Extend,
    Prefetch,
}

/// <summary>One call, with its range.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct DeviceOperation(DeviceCall Call, long Offset = 0, long Length = 0);

/// <summary>
/// A device in memory that asks before each operation: the test may record it, make it wait, or throw. It knows which
/// writes a power cut could take back.
/// </summary>
internal class ProbeDevice(byte[] content) : IBlockDevice, IImmediateAccess, IReadAhead, IExtendable
{
    private const int SectorSize = 512;

    private readonly Lock _lock = new();    // guards the fields below
    private readonly List<(long Offset, byte[] Data)> _unflushed = [];
    private byte[] _content = content;
    private byte[] _durable = [.. content];

    public ProbeDevice(int length)
        : this(new byte[length])
    {
    }

    /// <summary>Called before each operation, by the thread that asks for it.</summary>
    public Action<DeviceOperation>? Before { get; set; }

    /// <summary>Length up to which it can be extended.</summary>
    public long Capacity { get; set; }

    public long Length
    {
        get
        {
            lock (_lock) return _content.Length;
        }
    }

    public byte[] ToArray()
    {
        lock (_lock) return [.. _content];
    }

    /// <summary>What may be left after a power cut: of each write since the last flush all, nothing, or, of
    /// single blocks, some sectors.</summary>
    public byte[] AfterPowerCut(Random random)
    {
        lock (_lock)
        {
            byte[] left = new byte[_content.Length];
            _durable.CopyTo(left, 0);
            foreach ((long offset, byte[] data) in _unflushed)
            {
                for (int at = 0; at < data.Length; at += SectorSize)
                {
                    if (random.Next(2) == 0) data.AsSpan(at, Math.Min(SectorSize, data.Length - at)).CopyTo(left.AsSpan((int)offset + at));
                }
            }

            return left;
        }
    }

    public void Read(long offset, Span<byte> buffer)
    {
        Before?.Invoke(new DeviceOperation(DeviceCall.Read, offset, buffer.Length));
        lock (_lock) Range(offset, buffer.Length).CopyTo(buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Before?.Invoke(new DeviceOperation(DeviceCall.Write, offset, data.Length));
        lock (_lock)
        {
            data.CopyTo(Range(offset, data.Length));
            _unflushed.Add((offset, data.ToArray()));
        }
    }

    public void Flush()
    {
        Before?.Invoke(new DeviceOperation(DeviceCall.Flush));
        lock (_lock)
        {
            if (_durable.Length < _content.Length) Array.Resize(ref _durable, _content.Length);
            foreach ((long offset, byte[] data) in _unflushed) data.CopyTo(_durable, offset);
            _unflushed.Clear();
        }
    }

    public void Trim(long offset, long length)
    {
        Before?.Invoke(new DeviceOperation(DeviceCall.Trim, offset, length));
        lock (_lock) Range(offset, length).Fill(0xDD);
    }

    public void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        Before?.Invoke(new DeviceOperation(DeviceCall.WriteZeroes, offset, length));
        lock (_lock) Range(offset, length).Clear();
    }

    public bool TryReadNow(long offset, Span<byte> buffer)
    {
        Read(offset, buffer);
        return true;
    }

    public bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
    {
        Write(offset, data);
        return true;
    }

    public void Prefetch(long offset, long length) => Before?.Invoke(new DeviceOperation(DeviceCall.Prefetch, offset, length));

    public bool TryExtend(long length)
    {
        if (length > Capacity) return false;
        Before?.Invoke(new DeviceOperation(DeviceCall.Extend, 0, length));
        lock (_lock)
        {
            if (length > _content.Length) Array.Resize(ref _content, (int)length);
        }

        return true;
    }

    public void Dispose()
    {
    }

    private Span<byte> Range(long offset, long length) =>
        offset >= 0 && offset + length <= _content.Length
            ? _content.AsSpan((int)offset, (int)length)
            : throw new DeviceException("probe device: past the end", Errno.EIO);
}
