using DmEra.Devices;

namespace DmEra.Cli.Offline;

/// <summary>A device whose reads somebody is told of, in bytes, before they are made. What is told may throw.</summary>
internal sealed class WatchedDevice(IBlockDevice device, Action<int> onRead) : ForwardingDevice(device)
{
    public override void Read(long offset, Span<byte> buffer)
    {
        onRead(buffer.Length);
        base.Read(offset, buffer);
    }

    public override bool TryReadNow(long offset, Span<byte> buffer)
    {
        onRead(buffer.Length);
        return base.TryReadNow(offset, buffer);
    }

    public override void Dispose() => Inner.Dispose();
}
