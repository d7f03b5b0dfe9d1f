using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Mapping;

public class EraTransactionsTests
{
    [Fact]
    public void Taking_a_snapshot_changes_as_few_counts_as_the_kernel()
    {
        TestTransactions eras = Resumed(1024);
        eras.DigestAll();
        EraAudit before = eras.Audit();
        eras.Eras.RollOver();
        eras.Eras.TakeSnapshot();

        // The audit has checked every count: the two roots have one more. The era that ended takes its writeset's two blocks.
        EraAudit after = eras.Audit();
        Assert.Equal(before.UsedBlocks + 1 + 2, after.UsedBlocks);
        Assert.Equal(after.WritesetTreeRoot, after.Snapshot!.WritesetTreeRoot);
        Assert.Equal(after.EraArrayRoot, after.Snapshot.EraArrayRoot);
    }

    [Fact]
    public void Eras_that_nobody_was_let_in_to_do_not_fill_the_metadata()
    {
        TestTransactions eras = Resumed(1024);
        eras.Mark(3);
        for (int tries = 0; tries < 3; tries++) Try();
        ulong free = eras.FreeBlocks;
        for (int tries = 0; tries < 50; tries++) Try();

        Assert.Equal(free, eras.FreeBlocks);
        Assert.Equal(1u, eras.Audit().LastWritten()[3]);

        void Try()
        {
            eras.Eras.Resume(1024);
            Assert.True(eras.Eras.Abandon());
        }
    }

    // Every first mark in a block of the writeset copies it from the one that all were at first.
    [Theory, InlineData(40), InlineData(44), InlineData(48), InlineData(52), InlineData(56)]
    public void Mark_that_finds_no_room_for_a_copy_is_refused_and_the_era_can_be_ended(int metadataBlocks)
    {
        const uint Leaves = 40, Blocks = Leaves * 32_576;
        TestTransactions eras = new(new ProbeDevice(metadataBlocks * BlockManager.BlockSize));
        eras.Eras.Resume(Blocks);
        uint[] written = new uint[Blocks];
        int refused = 0;
        for (uint era = 1; era <= 3; era++)
        {
            for (uint leaf = 0; leaf < Leaves; leaf++)
            {
                uint block = (leaf * 32_576) + era;
                try
                {
                    eras.Mark(block);
                    written[block] = era;
                }
                catch (DeviceException fault) when (fault.Errno == Errno.ENOSPC)
                {
                    refused++;
                }
            }

            eras.Audit().AssertLastWritten(written);
            Assert.True(eras.Eras.Archive());
            Assert.Equal(era + 1, eras.Eras.Resume(Blocks).Era);
        }

        Assert.InRange(refused, 1, (int)(3 * Leaves) - 1);
    }

    [Fact]
    public void Snapshot_is_a_copy_of_what_had_been_committed()
    {
        TestTransactions eras = Resumed(1024);
        eras.Mark(3);
        eras.Eras.RollOver();
        eras.Eras.DigestStep();     // not committed yet
        List<byte[]> committed = [];
        eras.Device.Before = operation =>
        {
            if (operation is { Call: DeviceCall.Write, Offset: 0 }) committed.Add(eras.Device.ToArray());
        };

        eras.Eras.TakeSnapshot();

        Assert.Equal(2, committed.Count);       // each as it was before the superblock's write
        EraAudit before = EraAudit.Read(committed[1]), snapshot = eras.Audit().Snapshot!;
        Assert.Equal((before.EraArrayRoot, before.WritesetTreeRoot), (snapshot.EraArrayRoot, snapshot.WritesetTreeRoot));
    }

    [Fact]
    public void Device_that_was_never_resumed_makes_sure_of_what_it_read_before_it_drops_a_snapshot()
    {
        TestTransactions last = Resumed(1024);
        last.Eras.TakeSnapshot();
        ProbeDevice device = new(last.Device.ToArray());
        TestTransactions eras = new(device);
        List<DeviceCall> calls = [];
        device.Before = operation =>
        {
            if (operation.Call != DeviceCall.Read) calls.Add(operation.Call);
        };

        eras.Eras.DropSnapshot();

        // The superblock may be in the page cache only: written again, it is on the disk before anything else is.
        Assert.Equal([DeviceCall.Write, DeviceCall.Flush], calls[..2]);
        Assert.Equal(2, calls.Count(call => call == DeviceCall.Flush) - 1);
    }

    [Theory]
    [InlineData(30)]
    [InlineData(40)]
    [InlineData(60)]
    public void Whatever_is_granted_leaves_room_to_end_the_era_and_begin_another_and_drop_the_snapshot(int metadataBlocks)
    {
        const ulong Room = 4 + 5 + 3;
        TestTransactions eras = Resumed(2000, metadataBlocks);
        eras.Pin();
        Random random = new(metadataBlocks);
        Action[] actions = [() => eras.Mark((uint)random.Next(2000)), () => eras.Eras.RollOver(), eras.Eras.TakeSnapshot];
        int refused = 0;
        for (int i = 0; i < 200; i++)
        {
            if (eras.Eras.Usage.Snapshot != 0) eras.Eras.DropSnapshot();
            try
            {
                actions[random.Next(actions.Length)]();
                Assert.InRange(eras.FreeBlocks, Room, (ulong)metadataBlocks);
            }
            catch (Exception fault) when (fault is MetadataFullException or DeviceException { Errno: Errno.ENOSPC })
            {
                refused++;
            }
        }

        Assert.InRange(refused, 1, 199);
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(20_000u)]
    [InlineData(300_000u)]
    public void Suggested_size_suffices_for_a_snapshot_and_everything_written_in_every_era(uint blocks)
    {
        long bytes = MetadataSizing.SuggestedBytes(blocks);
        TestTransactions eras = new(new ProbeDevice((int)bytes));
        eras.Eras.Resume(blocks);
        for (int era = 0; era < 10; era++)
        {
            eras.Mark(new BlockRange(0, blocks));
            eras.Eras.RollOver();
            if (era == 5) eras.Eras.TakeSnapshot();
        }

        eras.DigestAll();
        Assert.Empty(eras.Audit().Writesets);
    }

    private static TestTransactions Resumed(uint blocks, int metadataBlocks = 256)
    {
        TestTransactions eras = new(new ProbeDevice(metadataBlocks * 4096));
        eras.Eras.Resume(blocks);
        return eras;
    }
}
