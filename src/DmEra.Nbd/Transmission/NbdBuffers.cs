using System.Numerics;

namespace DmEra.Nbd.Transmission;

/// <summary>
/// The memory that connections share. Buffers come in sizes of powers of two and are lent again, so that steady traffic
/// allocates nothing and idle connections hold little. How much requests may hold together is counted here as well.
/// </summary>
/// <param name="sharedBytes">What all connections may hold beyond what each is sure of.</param>
/// <param name="time">Tells the time; null: the system does.</param>
/// <param name="allocate">Makes a buffer of a length; null: the heap does.</param>
internal sealed class NbdBuffers(long sharedBytes = NbdLimits.SharedBytes, TimeProvider? time = null, Func<int, byte[]>? allocate = null)
{
    /// <summary>Every buffer is this much longer than its power of two: room for headers beside the data.</summary>
    public const int HeaderRoom = 64;

    private const int SmallestShift = 12;
    private const long LargestKeptBytes = 64L << 20;
    private const long LargestKeptWhenIdle = 4L << 20;
    private const long WorthCollecting = 64L << 20;

    // It stops everybody, and clients who come and go may not have the server do nothing else.
    private static readonly TimeSpan BetweenCollections = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly Lock _lock = new();    // guards all below but the last
    private readonly Stack<byte[]>[] _kept = [.. Enumerable.Range(0, 31).Select(_ => new Stack<byte[]>())];
    private readonly Stack<List<Devices.Extent>> _keptExtents = new();
    private readonly Func<int, byte[]> _allocate = allocate ?? (static length => GC.AllocateUninitializedArray<byte>(length));
    private long _keptBytes;
    private long _lentBytes;
    private long _droppedBytes;             // since the last collection
    private long? _lastCollection;          // when
    private ITimer? _nextCollection;        // one that was put off

    private long _unreserved = sharedBytes;

    /// <summary>What is lent at the moment.</summary>
    public long LentBytes
    {
        get
        {
            lock (_lock) return _lentBytes;
        }
    }

    /// <summary>The length of a buffer of at least that size.</summary>
    public static int LengthFor(int size) => (1 << ShiftFor(size)) + HeaderRoom;

    /// <summary>A buffer of at least that size, with anything in it.</summary>
    public byte[] Rent(int size)
    {
        lock (_lock)
        {
            if (_kept[ShiftFor(size)].TryPop(out byte[]? kept))
            {
                _keptBytes -= kept.Length;
                _lentBytes += kept.Length;
                return kept;
            }
        }

        byte[] made = _allocate(LengthFor(size));
        lock (_lock) _lentBytes += made.Length;
        return made;
    }

    public void Return(byte[] buffer)
    {
        lock (_lock)
        {
            _lentBytes -= buffer.Length;
            if (_keptBytes + buffer.Length > LargestKeptBytes)
            {
                _droppedBytes += buffer.Length;
                return;
            }

            _keptBytes += buffer.Length;
            _kept[ShiftFor(buffer.Length)].Push(buffer);
        }
    }

    /// <summary>An empty list. There are never more than threads that describe blocks.</summary>
    public List<Devices.Extent> RentExtents()
    {
        lock (_lock) return _keptExtents.TryPop(out List<Devices.Extent>? extents) ? extents : [];
    }

    public void Return(List<Devices.Extent> extents)
    {
        extents.Clear();
        lock (_lock) _keptExtents.Push(extents);
    }

    /// <summary>Takes a part of what all connections may hold together; false when there is not as much left.</summary>
    public bool TryReserve(long bytes)
    {
        if (Interlocked.Add(ref _unreserved, -bytes) >= 0) return true;
        Release(bytes);
        return false;
    }

    /// <summary>Gives a reserved part back.</summary>
    public void Release(long bytes) => Interlocked.Add(ref _unreserved, bytes);

    /// <summary>When a connection has ended: gives memory back to the system.</summary>
    /// <param name="isIdle">Whether it was the last one, so that nobody needs what is kept.</param>
    public void Trim(bool isIdle)
    {
        lock (_lock)
        {
            if (isIdle) DropTo(LargestKeptWhenIdle);
            if (_droppedBytes < WorthCollecting) return;
            if (!isIdle && _lastCollection is { } last && BetweenCollections - _time.GetElapsedTime(last) is { Ticks: > 0 } wait)
            {
                // Perhaps nobody leaves after this one.
                _nextCollection ??= _time.CreateTimer(static buffers => ((NbdBuffers)buffers!).TrimLater(), this, wait, Timeout.InfiniteTimeSpan);
                return;
            }

            _lastCollection = _time.GetTimestamp();
            _droppedBytes = 0;
        }

        // Without traffic nothing is allocated, and without that no collection would ever come by itself.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    private void TrimLater()
    {
        lock (_lock)
        {
            _nextCollection?.Dispose();
            _nextCollection = null;
        }

        Trim(isIdle: false);
    }

    private void DropTo(long bytes)
    {
        _keptExtents.Clear();
        for (int shift = _kept.Length - 1; _keptBytes > bytes; shift--)
        {
            while (_keptBytes > bytes && _kept[shift].TryPop(out byte[]? buffer))
            {
                _keptBytes -= buffer.Length;
                _droppedBytes += buffer.Length;
            }
        }
    }

    private static int ShiftFor(int size) =>
        Math.Max(SmallestShift, BitOperations.Log2((uint)Math.Max(size - HeaderRoom - 1, 1)) + 1);
}
