using DmEra.Devices;

namespace DmEra.EndToEnd.Kernel;

/// <summary>Calls back before each flush of a device, in the thread that flushes.</summary>
internal sealed class FlushHook(IBlockDevice inner, Action beforeFlush) : ForwardingDevice(inner)
{
    public override void Flush()
    {
        beforeFlush();
        base.Flush();
    }

    public override void Dispose() => Inner.Dispose();
}
