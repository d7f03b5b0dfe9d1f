using DmEra.Devices;

namespace DmEra.EndToEnd.Kernel;

/// <summary>Calls back before each flush of a device, in the thread that flushes.</summary>
internal sealed class FlushHook(IBlockDevice inner, Action beforeFlush) : IBlockDevice
{
    public long Length => inner.Length;

    public void Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> data) => inner.Write(offset, data);

    public void Flush()
    {
        beforeFlush();
        inner.Flush();
    }

    public void Trim(long offset, long length) => inner.Trim(offset, length);

    public void WriteZeroes(long offset, long length, ZeroingMode mode) => inner.WriteZeroes(offset, length, mode);

    public void Dispose() => inner.Dispose();
}
