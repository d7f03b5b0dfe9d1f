using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.Building;
using DmEra.Target.History;
using DmEra.Target.Metadata;
using DmEra.Tests.Target;
using DmEra.Tools;
using DmEra.Tools.Check;
using DmEra.Tools.Writing;

namespace DmEra.Tests.Tools.Writing;

public sealed class MetadataBuilderTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(63, 1)]
    [InlineData(64, 2)]
    [InlineData(65, 1)]
    [InlineData(1018, 1)]
    [InlineData(1019, 200)]
    [InlineData(32_576, 202)]
    [InlineData(32_577, 3)]
    [InlineData(300_000, 4)]
    [InlineData(1000, 450)]
    public void What_is_built_passes_era_check_and_reads_back(uint nrBlocks, int writesets)
    {
        using TempFolder folder = new();
        uint[] eras = Build(folder.Sparse("meta", 1 << 20), nrBlocks, writesets);

        if (nrBlocks > 0) Oracle.EraCheck(folder["meta"]);
        using FileBlockDevice metadata = FileBlockDevice.OpenReadOnly(folder["meta"]);
        using EraHistory history = EraHistory.Open(metadata);
        uint[] read = new uint[nrBlocks];
        history.ReadEras(0, read);
        Assert.Equal(eras, read);
    }

    [Theory]
    [InlineData(100_000, 1)]
    [InlineData(600_000, 2)]
    public void Equal_blocks_are_one_and_the_old_tools_read_them_as_many(uint nrBlocks, int seed)
    {
        using TempFolder folder = new();
        SharedImage image = SharedImage.Make(nrBlocks, seed);
        byte[] bytes = image.Device.ToArray();
        File.WriteAllBytes(folder["meta"], bytes);

        Oracle.EraCheck(folder["meta"]);
        EraAudit.Read(bytes).AssertLastWritten(image.Eras);
        for (uint era = 1; era <= SharedImage.CurrentEra; era++)
            Assert.Equal(image.WrittenSince(era), Oracle.EraInvalidate(folder["meta"], era));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1_000_000)]
    [InlineData(5_000_000)]
    public void A_new_file_has_the_room_that_its_device_will_need(uint nrBlocks)
    {
        using MemoryBlockDevice metadata = new(0);

        MetadataBuilder.Create(metadata, new EraGeometry(128, nrBlocks, 1)).Commit();

        Assert.Equal(MetadataSizing.SuggestedBytes(nrBlocks), metadata.Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(200)]
    public void A_file_is_extended_by_little_more_than_needed(int writesets)
    {
        using MemoryBlockDevice metadata = new(1 << 20);

        BuildOn(metadata, 2_000_000, writesets);

        long used = MetadataUsage.BytesInUse(metadata);
        Assert.InRange(metadata.Length, used, (used * 5 / 4) + (1 << 20));
        using EraHistory history = EraHistory.Open(metadata);
        Assert.Equal(2_000_000u, history.NrBlocks);
    }

    [Fact]
    public void A_disk_too_small_for_the_era_array_is_left_as_it_was()
    {
        byte[] before = [.. Enumerable.Range(0, 64 << 10).Select(i => (byte)i)];
        using FixedSizeDevice metadata = new([.. before]);

        Assert.Throws<MetadataFullException>(() => BuildOn(metadata, 100_000, 0));

        Assert.Equal(before, metadata.ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(20)]
    public void However_it_is_interrupted_nothing_half_done_looks_whole(int writes)
    {
        using FixedSizeDevice metadata = new(1 << 20);
        BuildOn(metadata, 10_000, 2);
        byte[] old = metadata.ToArray();
        metadata.WritesLeft = writes;

        try { BuildOn(metadata, 20_000, 3); }
        catch (DeviceException) { }

        if (writes == 0) Assert.Equal(old, metadata.ToArray());
        else if (metadata.WritesLeft < 0) Assert.Throws<MetadataCorruptException>(() => EraHistory.Open(metadata));
        else Assert.Equal(20_000u, EraHistory.Open(metadata).NrBlocks);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(200)]
    [InlineData(512)]
    [InlineData(4095)]
    public void A_superblock_torn_in_the_last_write_is_whole_or_plainly_no_metadata(int bytes)
    {
        using FixedSizeDevice metadata = new(1 << 20);
        metadata.WritesLeft = 1_000_000;
        BuildOn(metadata, 10_000, 2);
        metadata.WritesLeft = 1_000_000 - metadata.WritesLeft - 1;
        metadata.TornBytes = bytes;

        Assert.Throws<DeviceException>(() => BuildOn(metadata, 10_000, 2));

        // All it says is in the first 224 bytes; the others were zeroed at the beginning.
        if (bytes < 224) Assert.Throws<MetadataCorruptException>(() => EraHistory.Open(metadata));
        else Assert.Empty(MetadataChecker.Check(metadata).Faults);
    }

    /// <summary>Builds metadata with random content; returns the era of each block's last write.</summary>
    private static uint[] Build(string path, uint nrBlocks, int writesets)
    {
        using FileBlockDevice metadata = FileBlockDevice.Open(path);
        return BuildOn(metadata, nrBlocks, writesets);
    }

    private static uint[] BuildOn(IBlockDevice metadata, uint nrBlocks, int writesets)
    {
        Random random = new((int)nrBlocks + writesets);
        MetadataBuilder builder = MetadataBuilder.Create(metadata, new EraGeometry(128, nrBlocks, 500));
        uint[] eras = new uint[nrBlocks];
        for (uint block = 0; block < nrBlocks; block++)
        {
            eras[block] = (uint)random.Next(50);
            builder.EraArray.Block(block / 1018)[(int)(block % 1018)] = eras[block];
        }

        for (uint era = 50; era < 50 + writesets; era++)
        {
            ArrayBuilder<Le64> words = builder.BeginWriteset(era, nrBlocks);
            for (int i = 0; i < Math.Min(nrBlocks, 20); i++)
            {
                uint block = (uint)random.Next((int)nrBlocks);
                ref Le64 word = ref words.Block(block / 64 / 509)[(int)(block / 64 % 509)];
                word = word | (1UL << (int)(block % 64));
                eras[block] = era;
            }
        }

        builder.Commit();
        return eras;
    }
}
