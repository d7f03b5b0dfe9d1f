using DmEra.Devices.Threads;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class WritesetTests
{
    private const uint Blocks = 100_000;     // several pages of bits

    [Theory, MemberData(nameof(Seeds.For), 20, MemberType = typeof(Seeds))]
    public void Range_is_marked_just_when_all_its_blocks_are(int seed)
    {
        Random random = new(seed);
        Writeset writeset = new(1, Writeset.NoPages(Blocks), SystemThreads.Instance);
        bool[] marked = new bool[Blocks];
        for (int i = 0; i < 200; i++)
        {
            BlockRange set = Range(random.Next(50) == 0 ? random.Next(70_000) : random.Next(3000));
            writeset.SetMarked(set);
            marked.AsSpan((int)set.Begin, (int)set.Count).Fill(true);

            for (int k = 0; k < 20; k++)
            {
                BlockRange asked = Range(random.Next(3000));
                bool expected = !marked.AsSpan((int)asked.Begin, (int)asked.Count).Contains(false);
                Assert.True(expected == writeset.IsMarked(asked), $"{asked}");
            }
        }

        BlockRange Range(int count)
        {
            uint begin = (uint)random.Next((int)Blocks - count);
            return new BlockRange(begin, begin + (uint)count);
        }
    }

    [Fact]
    public void Bits_take_memory_where_some_are_set()
    {
        const uint MostBlocks = int.MaxValue;
        long before = GC.GetAllocatedBytesForCurrentThread();
        Writeset writeset = new(1, Writeset.NoPages(MostBlocks), SystemThreads.Instance);
        writeset.SetMarked(new BlockRange(0, 1));
        writeset.SetMarked(new BlockRange(MostBlocks - 1, MostBlocks));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 1 << 20);
        Assert.True(writeset.IsMarked(new BlockRange(MostBlocks - 1, MostBlocks)));
        Assert.False(writeset.IsMarked(new BlockRange(0, MostBlocks)));

        writeset.SetMarked(new BlockRange(5, MostBlocks));      // whole pages are one
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 1 << 20);
        Assert.True(writeset.IsMarked(new BlockRange(5, MostBlocks)));
        Assert.False(writeset.IsMarked(new BlockRange(4, 6)));
    }
}
