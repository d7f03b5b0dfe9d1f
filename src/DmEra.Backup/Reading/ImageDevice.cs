using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Devices;

namespace DmEra.Backup.Reading;

/// <summary>
/// A point in time as a device that can be read: from any thread, at any place. What is read often stays decoded, in
/// bounded memory; everything is checked on its way out of the repository.
/// </summary>
public sealed class ImageDevice : ReadOnlyDevice, IBlockStatusContext
{
    private const int CachedBytes = 24 << 20;
    private const int CachedRegions = 8;
    private const uint HoleThatReadsZero = 3;   // NBD_STATE_HOLE and NBD_STATE_ZERO of base:allocation

    private readonly PackReader _reader;
    private readonly ImageMap _map;
    private readonly RepositoryLock? _lock;
    private readonly LeastRecentlyUsed<long, List<MapExtent>> _regions = new(CachedRegions, _ => 1);
    private readonly LeastRecentlyUsed<(PackName Pack, int Record), byte[]> _records = new(CachedBytes, bytes => bytes.Length);

    private ImageDevice(Repository repository, ImageManifest image, RepositoryLock? imageLock)
        : base("an image in a repository")
    {
        _reader = repository.Reader;
        _lock = imageLock;
        _map = repository.LoadMap(image);
    }

    /// <inheritdoc/>
    public override long Length => _map.SizeSectors * RecordRow.SectorSize;

    /// <inheritdoc/>
    public string Name => "base:allocation";

    /// <summary>Opens an image. Nothing it needs is removed from the repository until it is disposed of.</summary>
    /// <param name="repository">The repository; it stays the caller's.</param>
    /// <param name="image">The image.</param>
    /// <param name="what">Who reads, for those that want to remove something: as in "era serve".</param>
    /// <exception cref="RepositoryException">It is not there as it was written, or the store failed.</exception>
    public static ImageDevice Open(Repository repository, ImageManifest image, string what)
    {
        RepositoryLock? imageLock = RepositoryLock.TryTakeForReading(repository, what);
        try
        {
            return new ImageDevice(repository, image, imageLock);
        }
        catch
        {
            imageLock?.Dispose();
            throw;
        }
    }

    /// <summary>Opens an image for somebody who holds a lock on the repository.</summary>
    internal static ImageDevice OpenLocked(Repository repository, ImageManifest image) => new(repository, image, null);

    /// <inheritdoc/>
    public override void Read(long offset, Span<byte> buffer)
    {
        try { ReadContent(offset, buffer); }
        catch (RepositoryException fault)
        {
            throw new DeviceException(fault.Message, Errno.EIO);
        }
    }

    /// <inheritdoc/>
    public void Describe(long offset, long length, int maxExtents, List<Extent> extents)
    {
        long end = offset + length;
        for (int count = 0; offset < end && count < maxExtents; count++)
        {
            long next = EndOfRun(offset, out bool isHole);
            // A run goes on where regions meet.
            while (next < end && EndOfRun(next, out bool goesOn) is long further && goesOn == isHole) next = further;
            next = Math.Min(next, end);
            extents.Add(new Extent(next - offset, isHole ? HoleThatReadsZero : 0));
            offset = next;
        }
    }

    /// <inheritdoc/>
    public override void Dispose() => _lock?.Dispose();

    /// <summary>As <see cref="Read"/>, with the faults of the repository as they are.</summary>
    internal void ReadContent(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = ReadSome(offset, buffer);
            offset += count;
            buffer = buffer[count..];
        }
    }

    private int ReadSome(long offset, Span<byte> buffer)
    {
        long sector = offset / RecordRow.SectorSize;
        List<MapExtent> extents = Region(sector);
        int index = RegionMap.IndexOf(extents, sector);
        if (index < 0)
        {
            long end = ~index < extents.Count ? extents[~index].First : EndOfRegion(sector);
            Span<byte> zeroes = buffer[..(int)Math.Min(buffer.Length, (end * RecordRow.SectorSize) - offset)];
            zeroes.Clear();
            return zeroes.Length;
        }

        PackDirectory pack = _reader.Open(extents[index].Pack.Name);
        int record = pack.Find(sector);
        if (record < 0) throw new ObjectDamagedException(pack.Name.ToString(), $"it does not have sector {sector}");
        ReadOnlySpan<byte> content = Record(pack, record);
        content = content[(int)(offset - ((long)pack.Rows[record].FirstSector.Value * RecordRow.SectorSize))..];
        content = content[..(int)Math.Min(
            Math.Min(content.Length, buffer.Length), (extents[index].End * RecordRow.SectorSize) - offset)];
        content.CopyTo(buffer);
        return content.Length;
    }

    private long EndOfRun(long offset, out bool isHole)
    {
        long sector = offset / RecordRow.SectorSize;
        List<MapExtent> extents = Region(sector);
        int index = RegionMap.IndexOf(extents, sector);
        isHole = index < 0;
        if (isHole) return (~index < extents.Count ? extents[~index].First : EndOfRegion(sector)) * RecordRow.SectorSize;
        while (index + 1 < extents.Count && extents[index + 1].First == extents[index].End) index++;
        return extents[index].End * RecordRow.SectorSize;
    }

    private long EndOfRegion(long sector) =>
        Math.Min(((sector / RegionMap.Sectors) + 1) * RegionMap.Sectors, _map.SizeSectors);

    private List<MapExtent> Region(long sector)
    {
        long region = sector / RegionMap.Sectors;
        if (_regions.TryGet(region, out List<MapExtent>? extents)) return extents;
        extents = _map.Region(region);
        _regions.Add(region, extents);
        return extents;
    }

    private byte[] Record(PackDirectory pack, int record)
    {
        if (_records.TryGet((pack.Name, record), out byte[]? content)) return content;
        content = _reader.ReadRecord(pack.Name, record);
        _records.Add((pack.Name, record), content);
        return content;
    }
}
