using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

/// <summary>
/// Writers, discards, checkpoints, snapshots, suspends and resizes all at once, on real threads. The oracle is a backup tool's:
/// a copy of the origin taken after a checkpoint, brought up to date with the blocks written since,
/// must be the origin.
/// </summary>
public class EraTargetStressTests
{
    private const int Blocks = 3000;
    private const int Writers = 4;

    public static TheoryData<int> FewSeeds => Seeds.For(3);

    [Theory, MemberData(nameof(FewSeeds))]
    public void Incremental_copies_miss_nothing(int seed)
    {
        using TestEra era = TestEra.Active(Blocks, 600);
        bool isOver = false;
        Background[] writers = [.. Enumerable.Range(0, Writers).Select(i => Background.Run(() => Write(i)))];
        byte[] copy = new byte[Blocks * TestEra.BlockBytes];
        uint since = 1;
        Random random = new(seed);
        for (int round = 0; round < 40; round++)
        {
            switch (random.Next(8))
            {
                case 0:
                    era.Target.Suspend();
                    era.Target.Resume();
                    break;
                case 1 when era.Target.Status.MetadataSnapshot == 0:
                    era.Target.TakeMetadataSnapshot();
                    break;
                case 2 when era.Target.Status.MetadataSnapshot != 0:
                    era.Target.DropMetadataSnapshot();
                    break;
            }

            uint next = era.Target.Checkpoint();
            BringUpToDate(copy, era, since);
            since = next;
        }

        Volatile.Write(ref isOver, true);
        Assert.All(writers, writer => writer.Join());
        BringUpToDate(copy, era, since);
        Assert.True(copy.AsSpan().SequenceEqual(era.Origin.ToArray()), "the copy differs from the origin");
        Assert.Equal(TargetState.Active, era.Target.State);
        era.Target.Suspend();
        era.Audit();

        void Write(int number)
        {
            Random mine = new((seed * 100) + number);
            byte[] data = new byte[3 * TestEra.BlockBytes];
            while (!Volatile.Read(ref isOver))
            {
                mine.NextBytes(data);
                long offset = mine.NextInt64(era.Target.Device.Length - data.Length);
                int length = mine.Next(1, data.Length);
                if (mine.Next(10) == 0) era.Target.Device.Trim(offset, length);
                else if (mine.Next(10) == 0) era.Target.Device.WriteZeroes(offset, length, ZeroingMode.MayDeallocate);
                else if (!era.Target.Device.TryWriteNow(offset, data.AsSpan(0, length))) era.Target.Device.Write(offset, data.AsSpan(0, length));
            }
        }
    }

    // What is written meanwhile is in the next list as well.
    private static void BringUpToDate(byte[] copy, TestEra era, uint since)
    {
        using EraHistory history = era.Target.OpenHistory();
        foreach (BlockRange range in history.WrittenSince(since))
        {
            int offset = (int)range.Begin * TestEra.BlockBytes;
            era.Target.Device.Read(offset, copy.AsSpan(offset, (int)range.Count * TestEra.BlockBytes));
        }
    }
}
