using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Tools.Caches;

namespace DmEra.Tests.Tools.Caches;

/// <summary>What a cache must forget, against a model that looks at every sector.</summary>
public sealed class StaleCacheBlocksTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public static TheoryData<int> SomeSeeds => new(Seeds.For(12));

    [Theory, MemberData(nameof(SomeSeeds))]
    public void Every_cached_sector_that_was_written_since_is_in_it_and_no_block_without_one(int seed)
    {
        Random random = new(seed);
        uint eraBlock = 8u * (uint)random.Next(1, 20);
        uint cacheBlock = 64u * (uint)random.Next(1, 5);
        long sectors = random.Next(3000, 30000);
        bool[] isWritten = new bool[((sectors / cacheBlock) + 2) * cacheBlock];
        // What lies behind the device's last block is unknown.
        long blocks = ((sectors - 1) / eraBlock) + 1;
        for (long sector = blocks * eraBlock; sector < isWritten.Length; sector++) isWritten[sector] = true;
        WriteInTwoEras(random, eraBlock, sectors, isWritten);
        CacheMapping[] mappings = [.. SomeMappings(random, (ulong)(isWritten.Length / cacheBlock))];
        CacheImage.Create(_folder["cache"], random.Next(1, 3), cacheBlock, 400, mappings);

        using FileBlockDevice metadata = FileBlockDevice.OpenReadOnly(_folder["era"]);
        using EraHistory history = EraHistory.Open(metadata);
        using FileBlockDevice cache = FileBlockDevice.OpenReadOnly(_folder["cache"]);
        StaleCacheBlocks found = StaleCacheBlocks.Find(CacheMetadata.Open(cache), history, since: 2);

        Assert.Equal((uint)mappings.Length, found.Cached);
        Assert.Equal(mappings.Where(mapping => mapping.IsDirty).Select(mapping => mapping.CacheBlock), Blocks(found.Dirty));
        Assert.Equal(
            mappings.Where(mapping => isWritten.AsSpan((int)(mapping.OriginBlock * cacheBlock), (int)cacheBlock).Contains(true))
                .Select(mapping => mapping.CacheBlock),
            Blocks(found.Stale));
    }

    [Fact]
    public void Messages_name_every_block_once_with_ends_exclusive_and_stay_short()
    {
        Assert.Empty(CacheMessages.Invalidate([]));
        Assert.Equal(["invalidate_cblocks 3 5-8"], CacheMessages.Invalidate([new BlockRange(3, 4), new BlockRange(5, 8)]));
        BlockRange[] many = [.. Enumerable.Range(0, 3000).Select(i => new BlockRange((uint)i * 10, ((uint)i * 10) + 1 + ((uint)i % 4)))];

        string[] messages = [.. CacheMessages.Invalidate(many)];

        Assert.InRange(messages.Length, 2, 100);
        Assert.All(messages, message => Assert.True(message.StartsWith("invalidate_cblocks ", StringComparison.Ordinal) && message.Length < 2100));
        Assert.Equal(many, messages.SelectMany(message => message.Split(' ')[1..]).Select(word => word.Split('-')).Select(
            ends => new BlockRange(uint.Parse(ends[0]), ends.Length == 1 ? uint.Parse(ends[0]) + 1 : uint.Parse(ends[1]))));
    }

    public void Dispose() => _folder.Dispose();

    private void WriteInTwoEras(Random random, uint eraBlock, long sectors, bool[] isWritten)
    {
        _folder.Sparse("era", 1 << 20);
        _folder.Sparse("origin", sectors * 512);
        using EraTarget target = EraTarget.Create(
            new EraTable(0, sectors, _folder["era"], _folder["origin"], eraBlock), new EraTargetOptions { MarkAhead = 0 });
        target.Resume();
        Write(block => { });
        target.Checkpoint();
        Write(block => isWritten.AsSpan((int)(block * eraBlock), (int)Math.Min(eraBlock, isWritten.Length - (block * eraBlock))).Fill(true));

        void Write(Action<long> note)
        {
            for (int i = random.Next(40); i > 0; i--)
            {
                long sector = random.NextInt64(sectors);
                target.Device.Write(sector * 512, new byte[512]);
                note(sector / eraBlock);
            }
        }
    }

    private static IEnumerable<CacheMapping> SomeMappings(Random random, ulong originBlocks)
    {
        ulong[] origins = [.. Enumerable.Range(0, (int)originBlocks).Select(block => (ulong)block)];
        random.Shuffle(origins);
        int next = 0;
        for (uint block = 0; block < 400 && next < origins.Length; block++)
        {
            if (random.Next(3) > 0) yield return new CacheMapping(block, origins[next++], random.Next(5) == 0);
        }
    }

    private static IEnumerable<uint> Blocks(IEnumerable<BlockRange> ranges)
    {
        BlockRange last = default;
        foreach (BlockRange range in ranges)
        {
            Assert.True(last.Count == 0 || range.Begin > last.End, "ranges that touch are one");
            last = range;
            for (uint block = range.Begin; block < range.End; block++) yield return block;
        }
    }
}
