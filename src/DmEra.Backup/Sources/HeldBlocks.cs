using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Devices;

namespace DmEra.Backup.Sources;

/// <summary>Ranges of a device as they were when they were read into memory, so that the device can go on.</summary>
internal sealed class HeldBlocks : ReadOnlyDevice
{
    private readonly List<(long Offset, byte[] Content)> _ranges = [];

    /// <summary>Reads the ranges.</summary>
    public HeldBlocks(IBlockDevice device, IEnumerable<SectorRange> ranges)
        : base("blocks held for a backup")
    {
        Length = device.Length;
        foreach (SectorRange range in ranges)
        {
            byte[] content = new byte[(range.End - range.First) * RecordRow.SectorSize];
            device.Read(range.First * RecordRow.SectorSize, content);
            _ranges.Add((range.First * RecordRow.SectorSize, content));
        }
    }

    /// <inheritdoc/>
    public override long Length { get; }

    /// <inheritdoc/>
    public override void Read(long offset, Span<byte> buffer)
    {
        int index = _ranges.BinarySearch((offset, []), Comparer<(long Offset, byte[] Content)>.Create(
            (left, right) => left.Offset.CompareTo(right.Offset)));
        (long start, byte[] content) = _ranges[index >= 0 ? index : ~index - 1];
        content.AsSpan((int)(offset - start), buffer.Length).CopyTo(buffer);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
    }
}
