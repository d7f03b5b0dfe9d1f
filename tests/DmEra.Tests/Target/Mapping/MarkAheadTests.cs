using DmEra.Devices.Threads;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class MarkAheadTests
{
    private const uint Limit = 64;
    private const uint Blocks = 1 << 16;

    [Theory]
    [InlineData(4096, 64)]
    [InlineData(65536, 64)]
    [InlineData(1 << 20, 4)]
    [InlineData(4 << 20, 1)]
    [InlineData(8 << 20, 0)]
    public void Usual_limit_is_64_blocks_or_4_MiB(long blockSize, uint limit) =>
        Assert.Equal(limit, MarkAhead.DefaultLimit(blockSize));

    [Fact]
    public void A_sequential_writer_soon_waits_no_more()
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint block = 100; block < 1100; block++) disk.Write(block);

        Assert.Equal(4, disk.Waits);
        Assert.InRange(disk.Asks, 1000 / (int)Limit, 1000 / (int)Limit * 3);
    }

    [Fact]
    public void Who_writes_again_what_is_marked_ahead_asks_for_nothing_more()
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint block = 0; block < 500; block++) disk.Write(block);
        uint last = disk.Excess[^1];
        disk.Write(last);
        int asks = disk.Asks;
        for (int i = 0; i < 100; i++) disk.Write(last);

        Assert.Equal(asks, disk.Asks);
    }

    [Fact]
    public void The_marks_run_ahead_no_further_than_what_was_written_one_behind_the_other()
    {
        MarkedDisk disk = new(Limit, Blocks);
        List<int> excess = [];
        for (uint block = 100; block < 400; block++)
        {
            disk.Write(block);
            excess.Add(disk.Excess.Length);
        }

        Assert.Equal([0, 0, 0, 4], excess.Take(4));
        Assert.All(excess.Index(), write => Assert.InRange(write.Item, 0, Math.Min((int)Limit, write.Index + 1)));
        Assert.Equal((int)Limit, excess.Max());
    }

    [Theory, MemberData(nameof(Seeds.For), 20, MemberType = typeof(Seeds))]
    public void A_scattered_writer_marks_what_it_writes_and_nothing_else(int seed)
    {
        const uint blocks = 1 << 22;
        Random random = new(seed);
        MarkedDisk disk = new(Limit, blocks);
        for (int i = 0; i < 500; i++)
        {
            BlockRange[] together = [.. Enumerable.Range(0, random.Next(1, 33)).Select(_ => Somewhere())];
            int waits = disk.Waits;
            disk.Write(together);
            if (disk.Waits > waits) Assert.InRange(disk.Scattered, 1, together.Length);
        }

        Assert.Empty(disk.Excess);
        Assert.Equal(0, disk.Asks);

        BlockRange Somewhere()
        {
            uint begin = (uint)random.Next((int)blocks - 4);
            return new BlockRange(begin, begin + (uint)random.Next(1, 4));
        }
    }

    [Theory, MemberData(nameof(Seeds.For), 10, MemberType = typeof(Seeds))]
    public void Many_requests_a_little_out_of_order_are_one_stream(int seed)
    {
        Random random = new(seed);
        MarkedDisk disk = new(Limit, Blocks);
        uint[] order = [.. Enumerable.Range(0, 2048).OrderBy(block => block + random.Next(16)).Select(block => (uint)block)];
        foreach (uint[] together in order.Chunk(32))
        {
            disk.Write([.. together.Select(block => new BlockRange(block, block + 1))]);
            Assert.InRange(disk.Excess.Length, 0, (int)Limit);
        }

        Assert.InRange(disk.Waits, 1, 8);     // of 64
        Assert.All(disk.Excess, block => Assert.InRange(block, 2048u, 2048 + Limit - 1));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(8)]
    public void Several_sequential_writers_are_told_apart(int writers)
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint step = 0; step < 500; step++)
        {
            for (uint writer = 0; writer < writers; writer++) disk.Write((writer * 4096) + step);
        }

        Assert.Equal(4 * writers, disk.Waits);
        Assert.InRange(disk.Excess.Length, 0, writers * (int)Limit);
    }

    [Fact]
    public void A_sequential_writer_is_found_among_scattered_ones()
    {
        Random random = new(1);
        MarkedDisk disk = new(Limit, 1 << 22);
        for (uint step = 0; step < 500; step++)
        {
            uint far = (1 << 20) + (uint)random.Next(1 << 21);
            disk.Write(new BlockRange(far, far + 1), new BlockRange(step, step + 1));
        }

        Assert.Equal(500, disk.Waits);      // each of them for the scattered writer
        Assert.Equal(1, disk.Scattered);
        Assert.InRange(disk.Excess.Length, 1, (int)Limit);
        Assert.All(disk.Excess, block => Assert.InRange(block, 500u, 500 + Limit - 1));
    }

    [Fact]
    public void A_writer_that_goes_backwards_marks_what_it_writes_and_nothing_else()
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint block = 1000; block > 0; block--) disk.Write(block);

        Assert.Empty(disk.Excess);
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(3, 4)]
    [InlineData(16, 16)]
    [InlineData(200, 200)]
    public void Writes_may_be_longer_than_a_block_and_begin_within_one(uint step, uint length)
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint begin = 0; begin < 200 * step; begin += step) disk.Write(new BlockRange(begin, begin + length));

        Assert.InRange(disk.Excess.Length, 0, (int)Limit);
        Assert.All(disk.Excess, block => Assert.InRange(block, (199 * step) + length, (199 * step) + length + Limit - 1));
        if (step <= 16) Assert.InRange(disk.Waits, 4, 4 + (length > 8 ? 200 / 4 : 0));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(33)]
    public void A_writer_that_leaves_blocks_out_has_its_excess_bounded_all_the_same(uint step)
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint block = 0; block < 64; block++) disk.Write(block);
        for (uint i = 0; i < 1000; i++)
        {
            disk.Write(64 + (i * step));
            Assert.InRange(disk.Excess.Length, 0, (int)Limit);
        }
    }

    [Theory, MemberData(nameof(Seeds.For), 20, MemberType = typeof(Seeds))]
    public void Whoever_writes_has_no_more_marked_than_the_limit_ahead_of_what_was_written(int seed)
    {
        Random random = new(seed);
        uint limit = (uint)random.Next(1, 100);
        const uint blocks = 4096;
        MarkedDisk disk = new(limit, blocks);
        uint[] positions = [0, 0, 0];
        HashSet<uint> written = [];
        for (int i = 0; i < 2000; i++)
        {
            ref uint position = ref positions[random.Next(positions.Length)];
            position = random.Next(20) switch
            {
                0 => (uint)random.Next((int)blocks),
                1 => position + (uint)random.Next(8),
                2 => position - Math.Min(position, (uint)random.Next(8)),
                _ => position,
            };
            if (position >= blocks) position = 0;
            BlockRange range = new(position, Math.Min(blocks, position + 1 + (uint)random.Next(4)));
            for (uint block = range.Begin; block < range.End; block++) written.Add(block);
            disk.Write(range);
            position = range.End;
            if (random.Next(300) == 0)
            {
                disk.BeginEra();
                written.Clear();
            }

            Assert.All(disk.Excess, block => Assert.Contains(
                written, other => other < block && block - other <= limit));
        }
    }

    [Fact]
    public void A_stream_that_goes_on_in_the_next_era_is_known_at_once_and_has_as_much_ahead_as_it_writes_there()
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint block = 0; block < 500; block++) disk.Write(block);
        int waits = disk.Waits;
        disk.BeginEra();
        Assert.Empty(disk.Marked);
        disk.Write(500);

        Assert.Equal([500u, 501u], disk.Marked);
        for (uint block = 501; block < 1000; block++)
        {
            disk.Write(block);
            Assert.InRange(disk.Excess.Length, 1, (int)Math.Min(Limit, block - 499));
        }

        Assert.Equal(waits + 1, disk.Waits);
    }

    [Fact]
    public void A_stream_that_an_era_ends_for_in_the_midst_of_a_block_is_known_all_the_same()
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint block = 0; block < 500; block++) disk.Write(block);
        int waits = disk.Waits;
        disk.BeginEra();
        for (int i = 0; i < 3; i++) disk.Write(499);
        Assert.Equal([499u], disk.Marked);

        for (uint block = 500; block < 1000; block++) disk.Write(block);
        Assert.Equal(waits + 2, disk.Waits);
    }

    [Theory]
    [InlineData(20_000)]
    [InlineData(498)]
    [InlineData(499)]
    [InlineData(501)]
    [InlineData(500 + 60)]
    public void A_stream_that_does_not_go_on_marks_nothing_in_the_next_era(uint elsewhere)
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint block = 0; block < 500; block++) disk.Write(block);
        for (int eras = 0; eras < 5; eras++)
        {
            disk.BeginEra();
            disk.Write(elsewhere);

            Assert.Equal([elsewhere], disk.Marked);
        }
    }

    [Fact]
    public void Who_writes_a_block_an_era_never_has_more_than_one_too_many()
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint block = 0; block < 100; block++)
        {
            disk.BeginEra();
            disk.Write(block);
            Assert.InRange(disk.Excess.Length, 0, 1);
        }
    }

    [Fact]
    public void A_block_that_two_writes_share_counts_once()
    {
        MarkedDisk disk = new(Limit, Blocks);
        for (uint block = 0; block < 4; block++) disk.Write(new BlockRange(block, block + 2));

        Assert.Equal(5, disk.Excess.Length);
    }

    [Fact]
    public void Nothing_is_marked_behind_the_end()
    {
        MarkedDisk disk = new(Limit, blocks: 1024);
        for (uint block = 900; block < 1024; block++) disk.Write(block);

        Assert.Empty(disk.Excess);
        Assert.Equal(4, disk.Waits);
    }

    [Fact]
    public void A_stream_that_comes_to_marked_blocks_goes_on_over_them()
    {
        MarkedDisk disk = new(Limit, Blocks);
        disk.Write(new BlockRange(300, 400));
        for (uint block = 0; block < 600; block++) disk.Write(block);

        Assert.Equal(5, disk.Waits);
        Assert.All(disk.Excess, block => Assert.InRange(block, 600u, 600 + Limit - 1));
    }

    [Fact]
    public void Without_it_each_first_write_marks_its_own_blocks()
    {
        MarkedDisk disk = new(limit: 0, Blocks);
        for (uint block = 0; block < 100; block++) disk.Write(block);

        Assert.Equal(100, disk.Waits);
        Assert.Empty(disk.Excess);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(65_536)]
    public void Any_limit_will_do(uint limit)
    {
        MarkedDisk disk = new(limit, Blocks);
        for (uint block = 0; block < 3000; block++) disk.Write(block);

        Assert.InRange(disk.Excess.Length, 1, Math.Min((int)limit, 3000));
    }

    [Fact]
    public void Looking_for_streams_allocates_nothing()
    {
        MarkAhead markAhead = new(Limit);
        for (uint block = 0; block < 100; block++)
        {
            MarkGroup group = new(SystemThreads.Instance);
            group.Add(new BlockRange(block, block + 1));
            markAhead.Plan(group, Blocks);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        bool asks = false;
        for (uint block = 50; block < 150; block++) asks |= markAhead.Reach(new BlockRange(block, block + 1));
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(asks);
    }
}
