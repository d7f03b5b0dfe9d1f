using DmEra.Devices;
using DmEra.PersistentData.Blocks;
using DmEra.Target.History;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

/// <summary>
/// Metadata without room. dm-era goes on with a half-done transaction: marked writes may pass that are recorded nowhere, and
/// only removing the device helps, if that does not panic. Here the transaction is dropped, the caller is told, and there is
/// always room left to suspend, resume, and drop the snapshot.
/// </summary>
public class FullMetadataTests
{
    private const int Blocks = 2000;

    /// <summary>From too small to be resumed to large enough for all that the test does.</summary>
    public static TheoryData<int> Sizes => [.. Enumerable.Range(15, 30).Select(half => 2 * half)];

    [Theory, MemberData(nameof(Sizes))]
    public void Whatever_finds_no_room_is_refused_and_nothing_is_lost(int metadataBlocks)
    {
        using TestEra era = new(Blocks, metadataBlocks);
        UseWithoutLoss(era, metadataBlocks);
    }

    [Theory, MemberData(nameof(Sizes))]
    public void File_system_without_space_is_as_a_device_without_blocks(int metadataBlocks)
    {
        // As long as the kernel would need it; the space is what there is.
        SparseProbeDevice metadata = new(1000 * BlockManager.BlockSize, metadataBlocks * BlockManager.BlockSize);
        using TestEra era = new(Blocks, metadata.Watched(), new ProbeDevice(Blocks * TestEra.BlockBytes));
        UseWithoutLoss(era, metadataBlocks);
    }

    [Fact]
    public void Refused_write_does_not_reach_the_origin_and_marked_blocks_stay_writable()
    {
        using TestEra era = TestEra.Active(Blocks, 60);
        using EraHistory history = era.Target.OpenHistory();    // holds back every block that is freed
        int block = 0, originWrites = 0;
        era.Origin.Before = _ => originWrites++;
        DeviceException? refusal = null;
        while (refusal == null)
        {
            try { era.Write(block++); }
            catch (DeviceException fault) { refusal = fault; }
        }

        Assert.Equal(Errno.ENOSPC, refusal.Errno);
        Assert.Equal(block - 1, originWrites);
        Assert.Equal(block - 1, era.WrittenSince(1).Length);
        Assert.Equal(TargetState.Active, era.Target.State);
        Assert.Null(era.Target.FailureReason);
        Assert.Equal($"0 16000 era 8 {era.Audit().UsedBlocks}/60 1 -", era.Target.Status.ToString());
        era.Write(0);                                           // marked before
        era.Target.Device.Read(0, new byte[512]);

        history.Dispose();
        era.Target.Checkpoint();                                // the room kept for it
        era.Write(block);
    }

    [Fact]
    public void Dropping_the_snapshot_makes_room()
    {
        using TestEra era = TestEra.Active(20_000, 48);
        era.Target.TakeMetadataSnapshot();
        Random random = new(1);
        while (TryWithRoom(() =>
        {
            era.Write([.. Enumerable.Range(0, 5).Select(_ => random.Next(20_000))]);
            era.Target.Checkpoint();
            era.Threads.UntilWaiting(1);
        }))
        {
            Assert.True(era.Target.Status.CurrentEra < 1000, "the metadata never fills up");
        }

        era.Target.DropMetadataSnapshot();
        era.Threads.UntilWaiting(1);        // digestion goes on as well, and frees more
        era.Target.Checkpoint();
        era.Write(1);
        Assert.Equal(TargetState.Active, era.Target.State);
        era.Audit();
    }

    [Fact]
    public void Digestion_waits_for_room_and_goes_on_when_there_is_some()
    {
        const int Many = 20_000;
        using TestEra era = TestEra.Active(Many, 48);
        WriteInEveryBlockOfTheEraArray(era, Many);
        using EraHistory history = era.Target.OpenHistory();    // holds back every block that is freed
        era.Target.Checkpoint();
        era.Threads.UntilWaiting(1);
        Assert.NotEmpty(era.Audit().Writesets);
        era.Target.Suspend();
        Assert.Empty(era.Logged);           // it has left the room to end the era

        history.Dispose();
        era.Target.Resume();
        era.Threads.UntilWaiting(1);

        EraAudit audit = era.Audit();
        Assert.Empty(audit.Writesets);
        Assert.Equal(20, audit.EraArray.Count(written => written == 1));
        Assert.Empty(era.Logged);
    }

    [Fact]
    public void Digestion_makes_metadata_longer_that_can_grow()
    {
        const int Many = 20_000;
        ProbeDevice metadata = new(48 * 4096) { Capacity = 4 << 20 };
        using TestEra era = new(Many, metadata, new ProbeDevice(Many * TestEra.BlockBytes));
        era.Target.Resume();
        WriteInEveryBlockOfTheEraArray(era, Many);
        Assert.Equal(48 * 4096, metadata.Length);
        using EraHistory history = era.Target.OpenHistory();
        era.Target.Checkpoint();
        era.Threads.UntilWaiting(1);

        Assert.Empty(era.Audit().Writesets);
        Assert.True(metadata.Length > 48 * 4096);
    }

    [Fact]
    public void History_that_cannot_be_opened_holds_no_blocks_back()
    {
        using TestEra era = TestEra.Active(Blocks, 60);
        int caller = Environment.CurrentManagedThreadId;
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Read && Environment.CurrentManagedThreadId == caller)
                throw new DeviceException("metadata", Errno.EIO);
        };
        EraTargetException fault = Assert.Throws<EraTargetException>(era.Target.OpenHistory);
        Assert.Equal(Errno.EIO, fault.Errno);
        Assert.StartsWith("metadata", fault.Message, StringComparison.Ordinal);

        era.Metadata.Before = null;
        for (int block = 0; block < 200; block++)
        {
            era.Write(block);
            era.Target.Checkpoint();
        }

        Assert.Equal(200, era.WrittenSince(1).Length);
    }

    [Fact]
    public void Full_file_system_under_a_sparse_metadata_file_is_no_failure()
    {
        using TestEra era = TestEra.Active(Blocks);
        era.Write(1);
        era.Metadata.Before = operation =>
        {
            if (operation.Call == DeviceCall.Write) throw new DeviceException("file", Errno.ENOSPC);
        };
        Assert.Equal(Errno.ENOSPC, Assert.Throws<DeviceException>(() => era.Write(2)).Errno);
        Assert.Equal(Errno.ENOSPC, Assert.Throws<EraTargetException>(() => era.Target.Checkpoint()).Errno);
        Assert.Equal(TargetState.Active, era.Target.State);
        era.Write(1);

        era.Metadata.Before = null;
        era.Write(2);
        Assert.Equal([1, 2], era.WrittenSince(1));
    }

    [Fact]
    public void Metadata_that_can_grow_does()
    {
        ProbeDevice metadata = new(40 * 4096) { Capacity = 4 << 20 };
        using TestEra era = new(100_000, metadata, new ProbeDevice(100_000 * TestEra.BlockBytes));
        era.Target.Resume();
        for (int i = 0; i < 10; i++)
        {
            era.Write(i * 9999);
            era.Target.Checkpoint();
        }

        EraAudit audit = era.Audit();
        Assert.True(audit.TotalBlocks > 40);
        Assert.Equal((ulong)audit.TotalBlocks, era.Target.Status.TotalMetadataBlocks);
        Assert.Equal(10, audit.LastWritten().Count(written => written != 0));
    }

    private static void UseWithoutLoss(TestEra era, int seed)
    {
        if (!TryWithRoom(era.Target.Resume))
        {
            Assert.Equal(TargetState.Suspended, era.Target.State);
            era.Audit();
            return;
        }

        uint[] written = new uint[Blocks];
        Random random = new(seed);
        for (int i = 0; i < 100; i++)
        {
            int block = random.Next(Blocks);
            switch (random.Next(10))
            {
                case 0 when era.Target.Status.MetadataSnapshot == 0:
                    TryWithRoom(era.Target.TakeMetadataSnapshot);
                    break;
                case 1 when era.Target.Status.MetadataSnapshot != 0:
                    era.Target.DropMetadataSnapshot();
                    break;
                case 2:
                    era.Target.Suspend();
                    if (TryWithRoom(era.Target.Resume)) break;
                    era.Target.DropMetadataSnapshot();      // what takes the room, and can be dropped
                    era.Target.Resume();
                    break;
                case 3 or 4:
                    TryWithRoom(() => era.Target.Checkpoint());
                    break;
                default:
                    uint current = era.Target.Status.CurrentEra;
                    if (TryWithRoom(() => era.Write(block))) written[block] = current;
                    break;
            }

            Assert.Equal(TargetState.Active, era.Target.State);
            era.Audit().AssertLastWritten(written);
        }
    }

    // So that digestion must copy them all.
    private static void WriteInEveryBlockOfTheEraArray(TestEra era, int blocks)
    {
        for (int block = 0; block < blocks; block += 1018) era.Write(block);
    }

    private static bool TryWithRoom(Action action)
    {
        try { action(); }
        catch (EraTargetException fault) when (fault.Errno == Errno.ENOSPC) { return false; }
        catch (DeviceException fault) when (fault.Errno == Errno.ENOSPC) { return false; }

        return true;
    }
}
