using DmEra.Backup.Images;
using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Reading;
using DmEra.Backup.Sources;
using DmEra.Backup.Stores;
using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Target.History;
using DmEra.Target.Tracking;

namespace DmEra.Tests.Backup.Maps;

public sealed class ImageMapTests
{
    private const long SectorsOfPage = (long)ImageMap.RegionsOfPage * RegionMap.Sectors;

    private readonly MemoryStore _store = new();

    [Theory]
    [InlineData(1)]
    [InlineData(RegionMap.Sectors + 1)]
    [InlineData(SectorsOfPage)]
    [InlineData(SectorsOfPage + 1)]
    [InlineData((3 * SectorsOfPage) - 1)]
    [InlineData(1L << 47)]                      // 2^31 blocks of 32 MiB
    [InlineData(ImageMap.MaxSectors)]
    public void A_map_of_any_length_is_read_as_it_was_written(long sizeSectors)
    {
        long last = ImageMap.RegionCount(sizeSectors) - 1;
        SortedDictionary<long, RecordAddress> regions = [];
        foreach (long region in (long[])[0, last / 3, last / 2, Math.Max(last - 1, 0), last])
            regions[region] = new RecordAddress(new PackName((uint)(region % 1000) + 1, 7, ContentHash.Of([1])), 3);

        ImageMap map = WriteAndLoad(regions, sizeSectors);

        Assert.Equal(regions, map.Regions);
        Assert.Equal(regions[last], map.AddressOf(last));
        Assert.All(map.Records, record => Assert.False(record.IsEmpty));
    }

    [Fact]
    public void A_map_of_one_page_is_written_as_ever()
    {
        SortedDictionary<long, RecordAddress> regions = [];
        regions[2] = new RecordAddress(new PackName(1, 2, ContentHash.Of([1])), 4);

        ImageMap map = WriteAndLoad(regions, 4L * RegionMap.Sectors);

        RecordAddress only = Assert.Single(map.Records);
        byte[] record = new PackReader(_store, null).ReadRecord(only.Pack, (int)only.Record.Value);
        Assert.Equal(4 * 28, record.Length);
        Assert.All(record[..(2 * 28)], value => Assert.Equal(0, value));
        Assert.Equal(1, record[2 * 28]);
    }

    [Fact]
    public void A_device_longer_than_any_is_refused_before_anything_is_read_or_written()
    {
        ModelSource source = new(128 * 10, lineage: Guid.NewGuid());
        Repository repository = TestRepository.New(_store);
        int before = _store.Content.Count;
        source.BeforePass = () => Assert.Fail("it is read");
        source.Pretend(ImageMap.MaxSectors + 1);

        Assert.Throws<RepositoryException>(() => repository.Backup(source));

        Assert.Equal(before, _store.Content.Count);
    }

    [Fact]
    public void What_lies_beyond_the_first_page_is_taken_kept_and_restored()
    {
        const long size = SectorsOfPage + (2L * RegionMap.Sectors);
        FarSource source = new(size);
        source.Write(5, 1);
        source.Write(SectorsOfPage + 3, 2);
        Repository repository = TestRepository.New(_store);
        repository.Backup(source);
        source.CurrentEra++;
        source.Write(size - 1, 3);

        ImageManifest second = repository.Backup(source);
        repository.Prune(last: 1);

        Assert.Empty(repository.Verify());
        using ImageDevice device =
            ImageDevice.Open(repository, repository.ReadImage(second.Number), "test");
        foreach ((long sector, byte value) in (ReadOnlySpan<(long, byte)>)[(5, 1), (SectorsOfPage + 3, 2), (size - 1, 3), (6, 0)])
        {
            byte[] content = new byte[512];
            device.Read(sector * 512, content);
            Assert.Equal(value, content[9]);
        }
    }

    private ImageMap WriteAndLoad(SortedDictionary<long, RecordAddress> regions, long sizeSectors)
    {
        using PackUploader uploader = new(_store, fillers: 1, SystemThreads.Instance);
        PackWriter index = new(PackKind.Index, 1, new PackNumbers(0), null, uploader);
        (PackReference pack, int record) = ImageMap.Write(regions, sizeSectors, index);
        index.Close();
        uploader.Drain();
        return ImageMap.Load(new RecordAddress(pack.Name, (uint)record), sizeSectors, new PackReader(_store, null));
    }

    /// <summary>A device of which only what was written is ever looked at: it is too long to be read.</summary>
    private sealed class FarSource(long sizeSectors) : IBackupSource
    {
        private const uint BlockSectors = 4096;

        private readonly SparseDevice _disk = new(sizeSectors * 512);
        private readonly SortedDictionary<uint, uint> _eras = [];

        public DeviceIdentity Device { get; } = new("far", Guid.NewGuid(), sizeSectors, BlockSectors);

        public uint CurrentEra { get; set; } = 1;

        public uint Gap => 0;

        public IBlockDevice Origin => _disk;

        public IReadOnlyList<string> Remarks => [];

        public string? MetadataPath => null;

        public void Write(long sector, byte value)
        {
            byte[] content = new byte[512];
            content.AsSpan().Fill(value);
            _disk.Write(sector * 512, content);
            _eras[(uint)(sector / BlockSectors)] = CurrentEra;
        }

        public Guid? MarkOf(uint era) => null;

        public IEnumerable<BlockRange> WrittenSince(uint era) =>
            _eras.Where(block => block.Value >= era).Select(block => new BlockRange(block.Key, block.Key + 1));

        public TakenPoint Take(TakePlan plan, TakePass pass)
        {
            pass(_disk, plan.SectorsOf(WrittenSince(plan.Since)));
            return new TakenPoint(CurrentEra, ImageConsistency.Stopped, TimeSpan.Zero, Next: null);
        }

        public void Dispose()
        {
        }
    }
}
