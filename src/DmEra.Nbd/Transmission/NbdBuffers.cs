using System.Numerics;

namespace DmEra.Nbd.Transmission;

/// <summary>Buffers of all connections that are not in use, in sizes of powers of two, so that steady traffic
/// allocates nothing and idle connections hold little.</summary>
internal sealed class NbdBuffers
{
    /// <summary>Every buffer is this much longer than its power of two: room for headers beside the data.</summary>
    public const int HeaderRoom = 64;

    private const int SmallestShift = 12;
    private const long LargestKeptBytes = 64L << 20;

    private readonly Lock _lock = new();    // guards the two below
    private readonly Stack<byte[]>[] _kept = [.. Enumerable.Range(0, 31).Select(_ => new Stack<byte[]>())];
    private long _keptBytes;

    /// <summary>A buffer of at least that size, with anything in it.</summary>
    public byte[] Rent(int size)
    {
        int shift = ShiftFor(size);
        lock (_lock)
        {
            if (_kept[shift].TryPop(out byte[]? buffer))
            {
                _keptBytes -= buffer.Length;
                return buffer;
            }
        }

        return GC.AllocateUninitializedArray<byte>((1 << shift) + HeaderRoom);
    }

    public void Return(byte[] buffer)
    {
        lock (_lock)
        {
            if (_keptBytes + buffer.Length > LargestKeptBytes) return;
            _keptBytes += buffer.Length;
            _kept[ShiftFor(buffer.Length)].Push(buffer);
        }
    }

    private static int ShiftFor(int size) =>
        Math.Max(SmallestShift, BitOperations.Log2((uint)Math.Max(size - HeaderRoom - 1, 1)) + 1);
}
