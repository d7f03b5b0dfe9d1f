using System.Runtime.ExceptionServices;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Devices;
using DmEra.Devices.Threads;

namespace DmEra.Backup.Taking;

/// <summary>
/// Reads ranges of a device, compresses them on all processors, and delivers the pieces in the order in which they
/// were read: one thread reads, some encode, the caller's takes. The cells go round in a ring, which bounds what is
/// in memory.
/// </summary>
internal sealed class CellPipeline
{
    private const int LookAhead = 32;       // cells that the device is told of before they are read: 8 MiB
    private const int MaxEncoders = 8;

    private readonly IBlockDevice _source;
    private readonly IReadAhead? _readAhead;
    private readonly IEnumerable<SectorRange> _ranges;
    private readonly LeftOverPacks _leftOvers;
    private readonly IMonitor _lock;            // guards all fields below; pulsed when any of them changes
    private readonly Cell[] _ring;
    private readonly bool[] _isEncoded;
    private long _read;         // cells read so far
    private long _claimed;      // cells that an encoder has taken on
    private long _delivered;    // cells whose place in the ring is free again
    private bool _isReadToEnd;
    private bool _isStopping;
    private Exception? _fault;

    private CellPipeline(IThreads threads, int encoders, IBlockDevice source, IEnumerable<SectorRange> ranges, LeftOverPacks leftOvers)
    {
        _lock = threads.CreateMonitor();
        _source = source;
        _readAhead = source as IReadAhead;
        _ranges = ranges;
        _leftOvers = leftOvers;
        _ring = [.. Enumerable.Range(0, (2 * encoders) + 4).Select(_ => new Cell())];
        _isEncoded = new bool[_ring.Length];
    }

    /// <summary>Runs until the ranges are at their end.</summary>
    /// <param name="threads">Where the threads come from.</param>
    /// <param name="source">The device.</param>
    /// <param name="ranges">What to read, ascending.</param>
    /// <param name="leftOvers">What need not be stored again.</param>
    /// <param name="take">Gets each piece, on the caller's thread; the piece is used again afterwards.</param>
    /// <param name="stop">Ends the run.</param>
    /// <exception cref="DeviceException">The device failed.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static void Run(
        IThreads threads,
        IBlockDevice source,
        IEnumerable<SectorRange> ranges,
        LeftOverPacks leftOvers,
        Action<Cell> take,
        CancellationToken stop)
    {
        int encoders = Math.Clamp(threads.Processors, 1, MaxEncoders);
        CellPipeline pipeline = new(threads, encoders, source, ranges, leftOvers);
        ThreadGroup group = new(threads);
        try
        {
            group.Start("read origin", () => pipeline.Guard(pipeline.Read));
            for (int i = 0; i < encoders; i++) group.Start($"encode {i}", () => pipeline.Guard(pipeline.Encode));
            pipeline.Deliver(take, stop);
        }
        finally
        {
            pipeline.Stop();
            group.Join();
        }
    }

    private void Deliver(Action<Cell> take, CancellationToken stop)
    {
        while (TryAwaitEncoded(out Cell? cell))
        {
            stop.ThrowIfCancellationRequested();
            take(cell);
            using (_lock.Hold())
            {
                _isEncoded[_delivered % _ring.Length] = false;
                _delivered++;
                _lock.PulseAll();
            }
        }
    }

    private bool TryAwaitEncoded([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Cell? cell)
    {
        using (_lock.Hold())
        {
            cell = null;
            int place = (int)(_delivered % _ring.Length);
            while (_fault is null && !_isEncoded[place])
            {
                if (_isReadToEnd && _delivered == _read) return false;
                _lock.Wait();
            }

            if (_fault is not null) ExceptionDispatchInfo.Throw(_fault);
            cell = _ring[place];
            return true;
        }
    }

    private void Read()
    {
        Queue<SectorRange> ahead = new();
        using IEnumerator<SectorRange> pieces = Cut(_ranges).GetEnumerator();
        bool isMore = true;
        while (true)
        {
            while (isMore && ahead.Count < LookAhead)
            {
                isMore = pieces.MoveNext();
                if (!isMore) break;
                ahead.Enqueue(pieces.Current);
                _readAhead?.Prefetch(Bytes(pieces.Current.First), Bytes(pieces.Current.End - pieces.Current.First));
            }

            if (!ahead.TryDequeue(out SectorRange next)) break;
            if (!TryAwaitFree(out Cell? cell)) return;
            _source.Read(Bytes(next.First), cell.Begin(next));
            using (_lock.Hold())
            {
                _read++;
                _lock.PulseAll();
            }
        }

        using (_lock.Hold())
        {
            _isReadToEnd = true;
            _lock.PulseAll();
        }
    }

    private bool TryAwaitFree([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Cell? cell)
    {
        using (_lock.Hold())
        {
            while (!_isStopping && _read - _delivered == _ring.Length) _lock.Wait();
            cell = _isStopping ? null : _ring[_read % _ring.Length];
            return cell is not null;
        }
    }

    private void Encode()
    {
        while (TryClaim(out int place))
        {
            _ring[place].Encode(_leftOvers);
            using (_lock.Hold())
            {
                _isEncoded[place] = true;
                _lock.PulseAll();
            }
        }
    }

    private bool TryClaim(out int place)
    {
        using (_lock.Hold())
        {
            while (!_isStopping && _claimed == _read) _lock.Wait();
            place = (int)(_claimed % _ring.Length);
            if (_isStopping) return false;
            _claimed++;
            return true;
        }
    }

    private void Guard(Action work)
    {
        try
        {
            work();
        }
        catch (Exception fault)
        {
            using (_lock.Hold())
            {
                _fault ??= fault;
                _isStopping = true;
                _lock.PulseAll();
            }
        }
    }

    private void Stop()
    {
        using (_lock.Hold())
        {
            _isStopping = true;
            _lock.PulseAll();
        }
    }

    // Always cut at the same places: what is taken again later can then be compared with what is there.
    private static IEnumerable<SectorRange> Cut(IEnumerable<SectorRange> ranges)
    {
        foreach (SectorRange range in ranges)
        {
            for (long first = range.First; first < range.End;)
            {
                long end = Math.Min(((first / PackLimits.CellSectors) + 1) * PackLimits.CellSectors, range.End);
                yield return new SectorRange(first, end);
                first = end;
            }
        }
    }

    private static long Bytes(long sectors) => sectors * RecordRow.SectorSize;
}
