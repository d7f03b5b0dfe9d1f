using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Devices;

namespace DmEra.Backup.Restoring;

/// <summary>What is on a device before an image is restored to it.</summary>
public enum TargetContent
{
    /// <summary>Anything: what is zero in the image must be made so.</summary>
    Unknown,

    /// <summary>Nothing but zeroes, so that those of the image need not be written.</summary>
    Zeroes,
}

/// <summary>Writes an image to a device, on several threads; nothing is written that has not been checked.</summary>
public sealed class ImageRestore
{
    private const int StoredPerRun = 2 << 20;
    private const int FewestThreads = 2;
    private const int Granule = 4096;       // zeroes are left out in pieces of this

    private readonly PackReader _reader;
    private readonly IBlockDevice _target;
    private readonly TargetContent _before;
    private readonly IProgress<long>? _progress;
    private long _done;

    private ImageRestore(PackReader reader, IBlockDevice target, TargetContent before, IProgress<long>? progress)
    {
        _reader = reader;
        _target = target;
        _before = before;
        _progress = progress;
    }

    /// <summary>Writes an image and flushes the device.</summary>
    /// <param name="repository">Where the image is.</param>
    /// <param name="image">The image.</param>
    /// <param name="target">The device: at least as long.</param>
    /// <param name="before">What is on it.</param>
    /// <param name="progress">Told of how many bytes it is known that they are as in the image.</param>
    /// <param name="stop">Ends it in the middle.</param>
    /// <exception cref="RepositoryException">The image is not there as it was written, or the store failed. What
    /// the device holds then is neither the old nor the new.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public static void Run(
        Repository repository,
        ImageManifest image,
        IBlockDevice target,
        TargetContent before,
        IProgress<long>? progress,
        CancellationToken stop)
    {
        using RepositoryLock? reading = RepositoryLock.TryTakeForReading(repository, "era restore-image");
        RunLocked(repository, image, target, before, [new SectorRange(0, image.Device.SizeSectors)], progress, stop);
    }

    /// <summary>Writes parts of an image for somebody who holds a lock on the repository.</summary>
    internal static void RunLocked(
        Repository repository,
        ImageManifest image,
        IBlockDevice target,
        TargetContent before,
        IEnumerable<SectorRange> ranges,
        IProgress<long>? progress,
        CancellationToken stop)
    {
        ImageMap map = repository.LoadMap(image);
        ImageRestore restore = new(repository.Reader, target, before, progress);
        int threads = Math.Max(FewestThreads, repository.Store.Parallelism);
        ParallelWork<RecordRun>.Run(repository.Threads, map.Runs(ranges, StoredPerRun), threads, restore.NewWorker, stop);
        target.Flush();
    }

    private Action<RecordRun> NewWorker()
    {
        Buffers buffers = new();
        return run => Write(run, buffers);
    }

    private void Write(RecordRun run, Buffers buffers)
    {
        if (run.Pack is null)
        {
            long offset = run.First * RecordRow.SectorSize;
            if (_before == TargetContent.Unknown)
                _target.WriteZeroes(offset, (run.End * RecordRow.SectorSize) - offset, ZeroingMode.MayDeallocate);
        }
        else
        {
            Span<byte> stored = buffers.Stored(run.Pack.RangeOf(run.Record, run.Count).Length);
            _reader.ReadStored(run.Pack, run.Record, stored);
            for (int record = run.Record; record < run.Record + run.Count; record++)
            {
                RecordRow row = run.Pack.Rows[record];
                Span<byte> plain = buffers.Plain.AsSpan(0, (int)row.PlainLength.Value);
                run.Pack.Decode(record, stored[..(int)row.StoredLength.Value], plain);
                stored = stored[(int)row.StoredLength.Value..];
                WriteWanted(run, row, plain);
            }
        }

        long done = Interlocked.Add(ref _done, (run.End - run.First) * RecordRow.SectorSize);
        _progress?.Report(done);
    }

    private void WriteWanted(RecordRun run, RecordRow row, ReadOnlySpan<byte> plain)
    {
        long first = Math.Max(run.First, (long)row.FirstSector.Value);
        long end = Math.Min(run.End, row.EndSector);
        plain = plain.Slice(
            (int)(first - (long)row.FirstSector.Value) * RecordRow.SectorSize, (int)(end - first) * RecordRow.SectorSize);
        long offset = first * RecordRow.SectorSize;
        if (_before == TargetContent.Unknown) _target.Write(offset, plain);
        else WriteSparsely(offset, plain);
    }

    private void WriteSparsely(long offset, ReadOnlySpan<byte> plain)
    {
        int begin = 0;      // of what is to be written next
        for (int at = 0; at < plain.Length; at += Granule)
        {
            int end = Math.Min(at + Granule, plain.Length);
            if (plain[at..end].ContainsAnyExcept((byte)0)) continue;
            if (at > begin) _target.Write(offset + begin, plain[begin..at]);
            begin = end;
        }

        if (begin < plain.Length) _target.Write(offset + begin, plain[begin..]);
    }

    /// <summary>What one thread works in.</summary>
    private sealed class Buffers
    {
        private byte[] _stored = [];

        public byte[] Plain { get; } = new byte[PackLimits.CellLength];

        public Span<byte> Stored(int length)
        {
            if (_stored.Length < length) _stored = new byte[Math.Max(length, StoredPerRun)];
            return _stored.AsSpan(0, length);
        }
    }
}
