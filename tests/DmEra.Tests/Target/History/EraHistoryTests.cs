using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Tests.Golden;

namespace DmEra.Tests.Target.History;

public sealed class EraHistoryTests
{
    private const int SuperblockNrBlocks = 180;
    private const int SuperblockSnapshot = 216;

    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void Lists_what_the_kernel_recorded_the_open_era_included(string name)
    {
        GoldenImage image = GoldenImage.Load(name);
        using MemoryBlockDevice metadata = new(image.Metadata);
        using EraHistory history = EraHistory.Open(metadata);

        foreach ((uint era, IReadOnlyList<(uint, uint)> written) in image.WrittenSince())
            AssertWritten(written, history, era);
    }

    [Fact]
    public void Lists_what_a_snapshot_holds_and_not_what_came_after_it()
    {
        GoldenImage image = GoldenImage.Load("snapshot");
        using MemoryBlockDevice metadata = new(image.Metadata);
        using EraHistory? history = EraHistory.OpenSnapshot(metadata);

        Assert.NotNull(history);
        Assert.Equal(3u, history.CurrentEra);
        foreach ((uint era, IReadOnlyList<(uint, uint)> written) in image.SnapshotWrittenSince())
            AssertWritten(written, history, era);
    }

    [Fact]
    public void There_is_no_snapshot_unless_one_was_taken()
    {
        using MemoryBlockDevice metadata = new(GoldenImage.Load("fresh").Metadata);

        Assert.Null(EraHistory.OpenSnapshot(metadata));
    }

    [Theory, MemberData(nameof(Images))]
    public void Eras_and_lists_agree(string name)
    {
        using MemoryBlockDevice metadata = new(GoldenImage.Load(name).Metadata);
        using EraHistory history = EraHistory.Open(metadata);
        uint[] eras = new uint[history.NrBlocks];
        history.ReadEras(0, eras);

        for (uint era = 0; era <= history.CurrentEra; era += 1 + (history.CurrentEra / 16))
        {
            bool[] written = new bool[history.NrBlocks];
            foreach (BlockRange run in history.WrittenSince(era))
                written.AsSpan((int)run.Begin, (int)run.Count).Fill(true);
            Assert.Equal(eras.Select(last => last >= era), written);
        }
    }

    [Fact]
    public void Parts_of_the_origin_read_as_the_whole_does()
    {
        using MemoryBlockDevice metadata = new(GoldenImage.Load("undigested").Metadata);
        using EraHistory history = EraHistory.Open(metadata);
        uint[] eras = new uint[history.NrBlocks];
        history.ReadEras(0, eras);
        Random random = new(1);
        for (int i = 0; i < 200; i++)
        {
            int begin = random.Next(eras.Length);
            int end = random.Next(begin, Math.Min(begin + random.Next(3000), eras.Length) + 1);
            uint since = (uint)random.Next((int)history.CurrentEra + 1);
            uint[] part = new uint[end - begin];

            history.ReadEras((uint)begin, part);
            IEnumerable<BlockRange> runs = history.WrittenSince(since, new BlockRange((uint)begin, (uint)end));

            Assert.Equal(eras[begin..end], part);
            Assert.Equal(
                Enumerable.Range(begin, end - begin).Where(block => eras[block] >= since),
                runs.SelectMany(run => Enumerable.Range((int)run.Begin, (int)run.Count)));
        }
    }

    [Fact]
    public void Runs_are_found_whole_wherever_the_blocks_looked_at_in_one_go_end()
    {
        const uint Window = 32 * 509 * 64;
        const uint Blocks = (2 * Window) + 100_000;
        TestTransactions eras = new(new ProbeDevice(5000 * BlockManager.BlockSize));
        eras.Eras.Resume(Blocks);
        List<BlockRange> expected =
        [
            new(0, 10),
            .. Enumerable.Range(0, 3000).Select(i => new BlockRange(100 + (2 * (uint)i), 101 + (2 * (uint)i))),
            new(Window - 2, Window + 5),
            new((2 * Window) - 1, 2 * Window),
            new(Blocks - 1, Blocks),
        ];
        eras.Mark([.. expected]);
        using EraHistory history = EraHistory.Open(eras.Device);

        Assert.Equal(expected, history.WrittenSince(1));
        Assert.Equal(
            [new BlockRange(Window - 1, Window + 5), new BlockRange((2 * Window) - 1, 2 * Window)],
            history.WrittenSince(1, new BlockRange(Window - 1, (2 * Window) + 50)));
        Assert.Equal([new BlockRange(0, Blocks)], history.WrittenSince(0));
    }

    [Fact]
    public void The_last_blocks_are_read_from_any_one_on()
    {
        TestTransactions eras = new(new ProbeDevice(1 << 20));
        eras.Eras.Resume(100);
        eras.Mark(99);
        using EraHistory history = EraHistory.Open(eras.Device);
        for (uint begin = 0; begin < 100; begin++)
        {
            uint[] last = new uint[100 - begin];
            history.ReadEras(begin, last);
            Assert.Equal([.. new uint[99 - begin], 1u], last);
        }
    }

    [Fact]
    public void A_tail_block_that_a_shrink_left_behind_is_overlooked()
    {
        // 1500 blocks shrunk to 1018: the kernel then keeps the second block of the era array.
        byte[] image = GoldenImage.Load("grown").Metadata;
        ChangeSuperblock(image, SuperblockNrBlocks, 1018);
        using MemoryBlockDevice metadata = new(image);
        using EraHistory history = EraHistory.Open(metadata);

        Assert.Equal([(5u, 9u)], Written(history, 1));
        Assert.Equal([(0u, 1018u)], Written(history, 0));
    }

    [Fact]
    public void A_snapshot_dropped_meanwhile_ends_the_list_with_an_error()
    {
        byte[] image = GoldenImage.Load("snapshot").Metadata;
        using MemoryBlockDevice metadata = new(image);
        using EraHistory history = EraHistory.OpenSnapshot(metadata)!;
        using IEnumerator<BlockRange> runs = history.WrittenSince(1).GetEnumerator();
        Assert.True(runs.MoveNext());

        ChangeSuperblock(image, SuperblockSnapshot, 0);

        Assert.Throws<SnapshotDroppedException>(() => { while (runs.MoveNext()) { } });
        Assert.Throws<SnapshotDroppedException>(() => history.ReadEras(0, new uint[1]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4095)]
    public void Metadata_too_short_for_a_superblock_is_refused(int length)
    {
        using MemoryBlockDevice metadata = new(length);

        Assert.Throws<MetadataCorruptException>(() => EraHistory.Open(metadata));
    }

    [Fact]
    public void A_window_must_lie_within_the_origin()
    {
        using MemoryBlockDevice metadata = new(GoldenImage.Load("fresh").Metadata);
        using EraHistory history = EraHistory.Open(metadata);

        Assert.Throws<ArgumentOutOfRangeException>(() => history.ReadEras(1000, new uint[25]));
        Assert.Throws<ArgumentOutOfRangeException>(() => history.WrittenSince(1, new BlockRange(0, 1025)));
    }

    [Fact]
    public void An_era_that_has_not_begun_has_no_list()
    {
        using MemoryBlockDevice metadata = new(GoldenImage.Load("fresh").Metadata);
        using EraHistory history = EraHistory.Open(metadata);

        Assert.NotEmpty(history.WrittenSince(0));
        EraNotBegunException refusal = Assert.Throws<EraNotBegunException>(() => history.WrittenSince(history.CurrentEra + 1));
        Assert.Equal((history.CurrentEra + 1, history.CurrentEra), (refusal.Era, refusal.CurrentEra));
        Assert.Throws<EraNotBegunException>(() => history.WrittenSince(uint.MaxValue));
    }

    private static IReadOnlyList<(uint Begin, uint End)> Written(EraHistory history, uint era) =>
        [.. history.WrittenSince(era).Select(run => (run.Begin, run.End))];

    // What era_invalidate answers with an empty list, an era that has not begun, is refused here.
    private static void AssertWritten(IReadOnlyList<(uint Begin, uint End)> written, EraHistory history, uint era)
    {
        if (era <= history.CurrentEra)
        {
            Assert.Equal(written, Written(history, era));
            return;
        }

        Assert.Empty(written);
        Assert.Throws<EraNotBegunException>(() => history.WrittenSince(era));
    }

    private static void ChangeSuperblock(byte[] image, int offset, uint value)
    {
        Span<byte> superblock = image.AsSpan(0, BlockManager.BlockSize);
        BitConverter.TryWriteBytes(superblock[offset..], value);
        DmEra.Target.Metadata.SuperblockValidator.Instance.PrepareForWrite(0, superblock);
    }
}
