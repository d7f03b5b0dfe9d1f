using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.Labels;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class EraContextsTests
{
    private const uint Clean = 0;
    private const uint Dirty = 1;
    private const int Block = TestEra.BlockBytes;

    [Fact]
    public void Written_since_an_era_is_bit_0()
    {
        using TestEra era = TestEra.Active();
        era.Write(3, 4, 900);
        uint second = era.Target.Checkpoint();
        era.Write(4, 5);

        Assert.Equal([(3, Clean), (3, Dirty), (894, Clean), (1, Dirty), (123, Clean)], Blocks(Describe(era, "era:since-1")));
        Assert.Equal([(4, Clean), (2, Dirty), (1018, Clean)], Blocks(Describe(era, $"qemu:dirty-bitmap:since-{second}")));
    }

    [Fact]
    public void Everything_was_written_in_era_0_or_later()
    {
        using TestEra era = TestEra.Active();

        Assert.Equal([(1024, Dirty)], Blocks(Describe(era, "era:since-0")));
    }

    [Fact]
    public void Last_written_is_the_number_of_the_era()
    {
        using TestEra era = TestEra.Active();
        era.Write(3, 4, 900);
        era.Target.Checkpoint();
        era.Write(4, 5);

        Assert.Equal([(3, 0), (1, 1), (2, 2), (894, 0), (1, 1), (123, 0u)], Blocks(Describe(era, "era:last")));
    }

    [Theory, MemberData(nameof(Seeds.For), 20, MemberType = typeof(Seeds))]
    public void Answers_agree_with_the_metadata_whatever_range_is_asked_for(int seed)
    {
        Random random = new(seed);
        int blocks = seed % 2 == 0 ? 3000 : 40_000;     // eras of so many are not read in one go
        using TestEra era = TestEra.Active(blocks, 1024);
        for (int i = 0; i < 4; i++)
        {
            for (int k = 0; k < 200; k++) era.Write(random.Next(blocks));
            era.Target.Checkpoint();
        }

        uint[] expected = era.Audit().LastWritten();
        EraContexts contexts = new(era.Target);
        for (int i = 0; i < 50; i++)
        {
            long offset = random.NextInt64(era.Target.Device.Length);
            long length = 1 + random.NextInt64(era.Target.Device.Length - offset);
            int maxExtents = random.Next(4) == 0 ? random.Next(1, 5) : int.MaxValue;
            uint since = (uint)random.Next(6);

            RequireSame(contexts.Find("era:last")!, era => era);
            RequireSame(contexts.Find($"era:since-{since}")!, era => era >= since ? Dirty : Clean);

            void RequireSame(IBlockStatusContext context, Func<uint, uint> status)
            {
                List<Extent> extents = [new Extent(1, 77)];     // of another context
                context.Describe(offset, length, maxExtents, extents);
                Assert.InRange(extents.Count, 2, maxExtents == int.MaxValue ? int.MaxValue : maxExtents + 1);
                long at = offset;
                for (int k = 1; k < extents.Count; k++)
                {
                    Assert.True(extents[k].Length > 0);
                    if (k > 1) Assert.NotEqual(extents[k - 1].Status, extents[k].Status);
                    for (long block = at / Block; block * Block < at + extents[k].Length; block++)
                        Assert.Equal(status(expected[block]), extents[k].Status);
                    at += extents[k].Length;
                }

                if (extents.Count - 1 < maxExtents) Assert.Equal(offset + length, at);
                else Assert.InRange(at, offset + 1, offset + length);
            }
        }
    }

    [Fact]
    public void Last_block_may_be_shorter_than_the_others()
    {
        EraTable table = new(0, (10 * TestEra.BlockSectors) + 1, "meta", "origin", TestEra.BlockSectors);
        using EraTarget target = EraTarget.Create(
            table, new ProbeDevice(1 << 20), new ProbeDevice((10 * Block) + 512), new EraTargetOptions());
        target.Resume();
        target.Device.Write(10 * Block, new byte[512]);
        List<Extent> extents = [];

        new EraContexts(target).Find("era:since-1")!.Describe(0, target.Device.Length, int.MaxValue, extents);

        Assert.Equal([new Extent(10 * Block, Clean), new Extent(512, Dirty)], extents);
    }

    [Fact]
    public void Blocks_that_the_committed_state_does_not_have_count_as_just_written()
    {
        using TestEra era = TestEra.Active();
        era.Target.Suspend();
        era.Target.Resize(512 * TestEra.BlockSectors);
        era.Target.Resume();

        Assert.Equal([(512, Clean), (512, Dirty)], Blocks(Describe(era, "era:since-2", 1024 * Block)));
        Assert.Equal([(512, 0), (512, era.Target.Status.CurrentEra)], Blocks(Describe(era, "era:last", 1024 * Block)));
        Assert.Equal([(1, Dirty)], Blocks(Describe(era, "era:since-2", Block, offset: 1000 * Block)));
    }

    [Fact]
    public void Latest_eras_are_listed_and_any_era_is_found()
    {
        using TestEra era = TestEra.Active();
        for (int i = 0; i < 19; i++) era.Target.Checkpoint();
        EraContexts contexts = new(era.Target);

        Assert.Equal(
            ["era:last", .. Listed("era:since-"), .. Listed("qemu:dirty-bitmap:since-")],
            contexts.Names);
        Assert.All(contexts.Names, name => Assert.Equal(name, contexts.Find(name)!.Name));
        Assert.Equal("era:since-1", contexts.Find("era:since-1")!.Name);

        static IEnumerable<string> Listed(string prefix) => Enumerable.Range(13, 8).Reverse().Select(era => $"{prefix}{era}");
    }

    [Fact]
    public void Eras_are_listed_and_found_by_their_labels_too()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        era.Target.Checkpoint();
        era.Write(4);
        FixedLabels labels = new(("to come", 3), ("grün: a, b ", 2), ("+1", 1));
        EraContexts contexts = new(era.Target, labels);

        Assert.Equal(
            [
                "era:last", "era:since-grün: a, b ", "era:since-+1", "era:since-2", "era:since-1",
                "qemu:dirty-bitmap:since-grün: a, b ", "qemu:dirty-bitmap:since-+1", "qemu:dirty-bitmap:since-2", "qemu:dirty-bitmap:since-1",
            ],
            contexts.Names);
        Assert.All(contexts.Names, name => Assert.Equal(name, contexts.Find(name)!.Name));
        Assert.Equal([(4, Clean), (1, Dirty), (1019, Clean)], Blocks(Describe(era, contexts.Find("era:since-grün: a, b ")!)));
        Assert.Equal([(3, Clean), (2, Dirty), (1019, Clean)], Blocks(Describe(era, contexts.Find("qemu:dirty-bitmap:since-+1")!)));
        foreach (string name in (string[])["to come", "grün: a, b", "GRÜN: a, b ", "", "grün"])
            Assert.Null(contexts.Find($"era:since-{name}"));
    }

    [Fact]
    public void A_number_is_an_era_whatever_labels_there_are()
    {
        using TestEra era = TestEra.Active();
        era.Write(3);
        era.Target.Checkpoint();
        EraContexts contexts = new(era.Target, new FixedLabels(("1", 2), ("3", 1), ("01", 1)));

        Assert.Equal([(3, Clean), (1, Dirty), (1020, Clean)], Blocks(Describe(era, contexts.Find("era:since-1")!)));
        Assert.Null(contexts.Find("era:since-3"));
        Assert.Null(contexts.Find("era:since-01"));
    }

    [Fact]
    public void A_chosen_moment_that_is_not_of_the_history_any_more_lists_everything_and_a_number_what_is_known()
    {
        using TempFolder folder = new();
        EraTable table = new(0, 1024L * TestEra.BlockSectors, folder.Sparse("meta", 1 << 20), folder.Sparse("origin", 1024 * Block), TestEra.BlockSectors);
        using EraTarget target = EraTarget.Create(table, new EraTargetOptions());
        target.Resume();
        uint since = target.Checkpoint();
        Guid mark = target.MarkOf(since)!.Value;
        EraContexts contexts = new(target, new FixedLabels(("here", since)));
        IBlockStatusContext[] promises = [contexts.Find("era:since-here")!, contexts.Find($"era:since-{since}:{mark}")!];
        IBlockStatusContext number = contexts.Find($"era:since-{since}")!;
        target.Device.Write(3 * Block, new byte[Block]);
        foreach (IBlockStatusContext context in promises) Assert.Equal([(3, Clean), (1, Dirty), (1020, Clean)], Blocks(Describe(target, context)));

        target.Suspend();
        File.SetLastWriteTimeUtc(folder["origin"], DateTime.UnixEpoch);      // as writing to it does
        target.Resume();

        foreach (IBlockStatusContext context in promises) Assert.Equal([(1024, Dirty)], Blocks(Describe(target, context)));
        Assert.Equal([(3, Clean), (1, Dirty), (1020, Clean)], Blocks(Describe(target, number)));
        Assert.Null(contexts.Find($"era:since-{since}:{mark}"));
        Assert.Null(contexts.Find("era:since-here"));
        Assert.NotNull(contexts.Find($"era:since-{target.Status.CurrentEra}:{target.MarkOf(target.Status.CurrentEra)}"));
    }

    [Theory]
    [InlineData("era:since-2")]             // still to come
    [InlineData("era:since-4294967295")]
    [InlineData("era:since-4294967296")]
    [InlineData("era:since-01")]
    [InlineData("era:since-+1")]
    [InlineData("era:since- 1")]
    [InlineData("era:since-")]
    [InlineData("era:since")]
    [InlineData("Era:last")]
    [InlineData("era:last ")]
    [InlineData("era:")]
    [InlineData("qemu:dirty-bitmap:since-1x")]
    [InlineData("qemu:dirty-bitmap:1")]
    public void Other_names_find_nothing(string name)
    {
        using TestEra era = TestEra.Active();

        Assert.Null(new EraContexts(era.Target).Find(name));
    }

    [Fact]
    public void Query_that_waits_for_the_metadata_device_holds_up_neither_writes_nor_checkpoints()
    {
        using TestEra era = TestEra.Active(1024, 1024);
        era.Write(1);
        IBlockStatusContext context = new EraContexts(era.Target).Find("era:since-1")!;
        using Gate gate = new();
        int querying = 0;
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Read && Environment.CurrentManagedThreadId == Volatile.Read(ref querying))
                gate.Pass();
        };
        List<Extent> extents = [];
        Background query = Background.Run(() =>
        {
            Volatile.Write(ref querying, Environment.CurrentManagedThreadId);
            context.Describe(0, era.Target.Device.Length, int.MaxValue, extents);
        });
        gate.UntilArrived();

        for (int i = 0; i < 50; i++)
        {
            era.Write(100 + i);
            era.Target.Checkpoint();
        }

        gate.Open();
        query.Join();
        Assert.Equal([(1, Clean), (1, Dirty), (1022, Clean)], Blocks(extents));
    }

    [Fact]
    public void Answers_are_exact_while_writes_checkpoints_and_digestion_go_on()
    {
        using TestEra era = TestEra.Active(4096, 65536);    // room for all that is freed while a reader is held up
        IBlockStatusContext context = new EraContexts(era.Target).Find("era:since-1")!;
        int written = 0;
        Background writer = Background.Run(() =>
        {
            for (int block = 0; block < 4096; block++)
            {
                era.Write(block);
                Volatile.Write(ref written, block + 1);
                if (block % 50 == 0) era.Target.Checkpoint();
            }
        });

        // Blocks are written in order: whatever had been acknowledged before is there, and no gap.
        while (!writer.IsDone)
        {
            int acknowledged = Volatile.Read(ref written);
            (int Count, uint Status)[] blocks = Blocks(Describe(era, context));
            if (acknowledged == 0) continue;
            Assert.Equal(Dirty, blocks[0].Status);
            Assert.InRange(blocks[0].Count, acknowledged, 4096);
            Assert.InRange(blocks.Length, 1, 2);
        }

        writer.Join();
    }

    [Fact]
    public void Damaged_metadata_is_an_error_and_never_a_wrong_answer()
    {
        using TestEra era = new(1024, new ProbeDevice(1 << 20), new ProbeDevice(1024 * Block)) { IsDamaged = true };
        era.Target.Resume();
        era.Write(5);
        byte[] zeroes = new byte[BlockManager.BlockSize];
        for (int block = 1; block < era.Metadata.Length / zeroes.Length; block++) era.Metadata.Write(block * zeroes.Length, zeroes);

        DeviceException fault = Assert.Throws<DeviceException>(() => Describe(era, "era:last"));

        Assert.StartsWith("era:last: ", fault.Message, StringComparison.Ordinal);
    }

    private static List<Extent> Describe(TestEra era, string name, long? length = null, long offset = 0) =>
        Describe(era, new EraContexts(era.Target).Find(name)!, length, offset);

    private static List<Extent> Describe(EraTarget target, IBlockStatusContext context)
    {
        List<Extent> extents = [];
        context.Describe(0, target.Device.Length, int.MaxValue, extents);
        return extents;
    }

    private static List<Extent> Describe(TestEra era, IBlockStatusContext context, long? length = null, long offset = 0)
    {
        List<Extent> extents = [];
        context.Describe(offset, length ?? era.Target.Device.Length, int.MaxValue, extents);
        return extents;
    }

    private sealed class FixedLabels(params (string Label, uint Era)[] labels) : IEraLabels
    {
        public IReadOnlyList<LabelledEra> Read() => [.. labels.Select(labelled => new LabelledEra(labelled.Label, labelled.Era, Mark: null))];

        public uint Find(string label) => labels.First(labelled => labelled.Label == label).Era;
    }

    private static (int Count, uint Status)[] Blocks(IEnumerable<Extent> extents) =>
        [.. extents.Select(extent => ((int)(extent.Length / Block), extent.Status))];
}
