using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Tools.Caches;

namespace DmEra.Tests.Tools.Caches;

/// <summary>Metadata of dm-cache, as cache_restore makes it and cache_dump reads it.</summary>
public sealed class CacheMetadataTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public static TheoryData<int, int> VersionsAndSeeds
    {
        get
        {
            TheoryData<int, int> data = [];
            foreach (int seed in Seeds.For(4))
            {
                data.Add(1, seed);
                data.Add(2, seed);
            }

            return data;
        }
    }

    private string Path => _folder["cache"];

    [Theory, MemberData(nameof(VersionsAndSeeds))]
    public void Mappings_are_those_that_were_restored(int version, int seed)
    {
        Random random = new(seed);
        uint count = (uint)random.Next(1, 3000);
        CacheMapping[] mappings = [.. Some(random, count)];
        CacheImage.Create(Path, version, 128, count, mappings);

        using FileBlockDevice device = FileBlockDevice.OpenReadOnly(Path);
        CacheMetadata cache = CacheMetadata.Open(device);

        Assert.Equal(128u, cache.BlockSizeSectors);
        Assert.Equal(count, cache.BlockCount);
        Assert.True(cache.IsClean);
        Assert.Equal(mappings, cache.Mappings());
        Assert.Equal(CacheImage.Dump(Path), cache.Mappings().Select(mapping => (mapping.CacheBlock, mapping.OriginBlock)));
    }

    [Theory, InlineData(1), InlineData(2)]
    public void Every_block_of_a_cache_that_was_not_shut_down_in_good_order_counts_as_dirty(int version)
    {
        CacheMapping[] mappings = [new(1, 7, false), new(4, 5, true), new(900, 1UL << 40, false)];
        CacheImage.Create(Path, version, 64, 1000, mappings, "--omit-clean-shutdown");

        using FileBlockDevice device = FileBlockDevice.OpenReadOnly(Path);
        CacheMetadata cache = CacheMetadata.Open(device);

        Assert.False(cache.IsClean);
        Assert.Equal(mappings.Select(mapping => mapping with { IsDirty = true }), cache.Mappings());
    }

    [Theory, MemberData(nameof(VersionsAndSeeds))]
    public void A_flipped_bit_is_found_or_without_effect(int version, int seed)
    {
        Random random = new(seed);
        CacheMapping[] mappings = [.. Some(random, 1200)];
        CacheImage.Create(Path, version, 128, 1200, mappings);
        byte[] image = File.ReadAllBytes(Path);
        int found = 0;
        for (int i = 0; i < 300; i++)
        {
            int bit = random.Next(40 * 4096 * 8);
            byte[] flipped = [.. image];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            MemoryBlockDevice device = new(flipped.Length);
            device.Write(0, flipped);
            try
            {
                Assert.Equal(mappings, CacheMetadata.Open(device).Mappings().ToArray());
            }
            catch (MetadataCorruptException)
            {
                found++;
            }
        }

        Assert.InRange(found, 10, 290);
    }

    [Fact]
    public void Era_metadata_is_no_metadata_of_a_cache()
    {
        byte[] image = Golden.GoldenImage.Load("one-era").Metadata;
        using MemoryBlockDevice metadata = new(image.Length);
        metadata.Write(0, image);

        MetadataCorruptException refusal = Assert.Throws<MetadataCorruptException>(() => CacheMetadata.Open(metadata));

        Assert.Contains("this is era metadata, not that of a cache", refusal.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static IEnumerable<CacheMapping> Some(Random random, uint count)
    {
        for (uint block = 0; block < count; block++)
        {
            if (random.Next(3) > 0) yield return new CacheMapping(block, (ulong)random.NextInt64(1L << 48), random.Next(4) == 0);
        }
    }
}
