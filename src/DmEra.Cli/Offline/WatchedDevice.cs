using DmEra.Devices;

namespace DmEra.Cli.Offline;

/// <summary>A device whose reads somebody is told of, in bytes, before they are made. What is told may throw.</summary>
internal sealed class WatchedDevice(IBlockDevice device, Action<int> onRead) : IBlockDevice
{
    public long Length => device.Length;

    public void Read(long offset, Span<byte> buffer)
    {
        onRead(buffer.Length);
        device.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => device.Write(offset, data);

    public void Flush() => device.Flush();

    public void Trim(long offset, long length) => device.Trim(offset, length);

    public void WriteZeroes(long offset, long length, ZeroingMode mode) => device.WriteZeroes(offset, length, mode);

    public bool TryExtend(long length) => device.TryExtend(length);

    public void Dispose() => device.Dispose();
}
