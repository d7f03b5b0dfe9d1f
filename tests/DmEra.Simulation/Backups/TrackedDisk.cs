using DmEra.Backup.Images;
using DmEra.Backup.Sources;
using DmEra.Devices;
using DmEra.Simulation.Scheduling;
using DmEra.Target.Chronicles;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Simulation.Backups;

/// <summary>The device that images are taken of, with its eras: an array says in which one each block was last written. Any
/// machine may take an image of it.</summary>
internal sealed class TrackedDisk(Scheduler scheduler, Random random)
{
    private const int Blocks = 24;
    private const int BlockSectors = 16;
    private const int BlockBytes = BlockSectors * 512;

    private static readonly DeviceIdentity Identity = new("disk", new Guid(1, 2, 3, new byte[8]), Blocks * BlockSectors, BlockSectors);

    private readonly byte[] _content = new byte[Blocks * BlockBytes];
    private readonly uint[] _eras = new uint[Blocks];
    private uint _era = 1;

    /// <summary>What the disk held at the end of each era that an image may be of.</summary>
    public Dictionary<uint, byte[]> Moments { get; } = [];

    /// <summary>Writes a few blocks.</summary>
    public void Scribble()
    {
        for (int i = random.Next(1, 8); i > 0; i--)
        {
            int block = random.Next(Blocks);
            Span<byte> content = _content.AsSpan(block * BlockBytes, BlockBytes);
            content.Clear();
            if (random.Next(5) > 0) random.NextBytes(content[..random.Next(1, BlockBytes)]);
            _eras[block] = _era;
        }
    }

    /// <summary>The disk as something to take an image of.</summary>
    public IBackupSource AsSource() => new Source(this);

    // Known to everybody, as the chronicle's are.
    private Guid? MarkOf(uint era) => era <= _era ? new Guid((int)era, 7, 7, new byte[8]) : null;

    private sealed class Source(TrackedDisk disk) : IBackupSource
    {
        private readonly View _origin = new(disk._content, disk);

        public DeviceIdentity Device => Identity;

        public uint CurrentEra => disk._era;

        public uint Gap => 0;

        public IBlockDevice Origin => _origin;

        public string? MetadataPath => null;

        public IReadOnlyList<string> Remarks => [];

        public Guid? MarkOf(uint era) => disk.MarkOf(era);

        public IEnumerable<BlockRange> WrittenSince(uint era) =>
            [.. Enumerable.Range(0, Blocks).Where(block => disk._eras[block] >= era).Select(block => new BlockRange((uint)block, (uint)block + 1))];

        public TakenPoint Take(TakePlan plan, TakePass pass)
        {
            byte[] moment = [.. disk._content];
            uint last = disk._era++;
            disk.Moments.Add(last, moment);
            View view = new(moment, disk);
            pass(view, [.. plan.FirstPass(view, WrittenSince)]);
            return new TakenPoint(last, ImageConsistency.Paused, TimeSpan.Zero, new EraMark(last + 1, MarkOf(last + 1)!.Value));
        }

        public void Dispose()
        {
        }
    }

    private sealed class View(byte[] content, TrackedDisk disk) : IBlockDevice
    {
        public long Length => content.Length;

        public void Read(long offset, Span<byte> buffer)
        {
            disk.Pause();
            content.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
        }

        public void Write(long offset, ReadOnlySpan<byte> data) => throw new NotSupportedException();

        public void Flush()
        {
        }

        public void Trim(long offset, long length) => throw new NotSupportedException();

        public void WriteZeroes(long offset, long length, ZeroingMode mode) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }

    private void Pause() => scheduler.Yield();
}
