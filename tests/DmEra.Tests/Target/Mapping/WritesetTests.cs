using DmEra.Devices.Threads;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public class WritesetTests
{
    private const uint Blocks = 1000;

    [Theory, MemberData(nameof(Seeds.For), 20, MemberType = typeof(Seeds))]
    public void Range_is_marked_just_when_all_its_blocks_are(int seed)
    {
        Random random = new(seed);
        Writeset writeset = new(1, new ulong[Writeset.WordCount(Blocks)], SystemThreads.Instance);
        bool[] marked = new bool[Blocks];
        for (int i = 0; i < 200; i++)
        {
            BlockRange set = Range(random.Next(100));
            writeset.SetMarked(set);
            marked.AsSpan((int)set.Begin, (int)set.Count).Fill(true);

            for (int k = 0; k < 20; k++)
            {
                BlockRange asked = Range(random.Next(300));
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
}
