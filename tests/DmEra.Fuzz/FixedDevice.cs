using DmEra.Devices;

namespace DmEra.Fuzz;

/// <summary>A device in memory of a size that cannot be changed, as a disk's cannot. Its memory is used again when it is
/// disposed of: there is one at a time in each thread.</summary>
internal sealed class FixedDevice : IBlockDevice
{
    private const int Size = 6 << 20;

    [ThreadStatic]
    private static byte[]? _spare;

    private readonly byte[] _bytes = _spare ?? new byte[Size];
    private int _written;

    public FixedDevice() => _spare = null;

    public long Length => Size;

    /// <summary>Whether anything was written.</summary>
    public bool IsTouched => _written > 0;

    public void Read(long offset, Span<byte> buffer) => _bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        data.CopyTo(_bytes.AsSpan((int)offset));
        _written = Math.Max(_written, (int)offset + data.Length);
    }

    public void Flush()
    {
    }

    public void Trim(long offset, long length) => throw new NotSupportedException();

    public void WriteZeroes(long offset, long length, ZeroingMode mode) => throw new NotSupportedException();

    public void Dispose()
    {
        _bytes.AsSpan(0, _written).Clear();
        _spare = _bytes;
    }
}
