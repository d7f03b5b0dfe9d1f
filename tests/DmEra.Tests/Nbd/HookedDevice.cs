using DmEra.Devices;

namespace DmEra.Tests.Nbd;

/// <summary>A device in memory that tells of each operation before doing it, so that a test can record, delay or fail
/// it. Does nothing "now" unless told to.</summary>
internal sealed class HookedDevice(int length) : IBlockDevice, IImmediateAccess, IReadAhead
{
    private readonly MemoryBlockDevice _inner = new(length);

    /// <summary>Called with each operation; may wait or throw.</summary>
    public Action<DeviceCall>? Before { get; set; }

    /// <summary>Whether reads and writes can be done without waiting.</summary>
    public bool IsReady { get; set; }

    public MemoryBlockDevice Content => _inner;

    public long Length => _inner.Length;

    public void Read(long offset, Span<byte> buffer)
    {
        Before?.Invoke(new DeviceCall("read", offset, buffer.Length));
        _inner.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Before?.Invoke(new DeviceCall("write", offset, data.Length));
        _inner.Write(offset, data);
    }

    public void Flush() => Before?.Invoke(new DeviceCall("flush", 0, 0));

    public void Trim(long offset, long length)
    {
        Before?.Invoke(new DeviceCall("trim", offset, length));
        _inner.Trim(offset, length);
    }

    public void WriteZeroes(long offset, long length, ZeroingMode mode)
    {
        Before?.Invoke(new DeviceCall($"zero {mode}", offset, length));
        _inner.WriteZeroes(offset, length, mode);
    }

    public void Prefetch(long offset, long length) => Before?.Invoke(new DeviceCall("prefetch", offset, length));

    public bool TryReadNow(long offset, Span<byte> buffer)
    {
        if (!IsReady) return false;
        Before?.Invoke(new DeviceCall("read now", offset, buffer.Length));
        _inner.Read(offset, buffer);
        return true;
    }

    public bool TryWriteNow(long offset, ReadOnlySpan<byte> data)
    {
        if (!IsReady) return false;
        Before?.Invoke(new DeviceCall("write now", offset, data.Length));
        _inner.Write(offset, data);
        return true;
    }

    public void Dispose() => _inner.Dispose();
}

/// <summary>One operation on a device.</summary>
internal sealed record DeviceCall(string Operation, long Offset, long Length);
