using DmEra.Devices;
using DmEra.Tests.Target;

namespace DmEra.Tests.Simulation;

/// <summary>
/// The ways in which dm-era has lost writes, each played through: three that were found in 2021, and the one that is
/// still open. A backup that believed such a list of changes would have left blocks out.
/// </summary>
public class LostWriteTests
{
    // Up to as many blocks a writeset is one word.
    private const int BlocksOfOneWord = 64;

    [Fact]
    public void Committed_writeset_of_a_crashed_device_is_recovered()
    {
        // dm-era forgot the writeset that the superblock held when it opened a device that had not been suspended.
        byte[] left = [];
        ProbeDevice origin;
        using (TestEra crashed = TestEra.Active())
        {
            crashed.Write(3, 500);
            Assert.Equal(2u, crashed.Target.Checkpoint());
            crashed.Origin.Before = _ => left = crashed.Metadata.AfterPowerCut(new Random(1));
            crashed.Write(7);
            origin = crashed.Origin;
            origin.Before = null;
        }

        using TestEra again = new(1024, new ProbeDevice(left), origin);
        again.Target.Resume();
        Assert.Equal(3u, again.Target.Status.CurrentEra);
        Assert.Equal([7], again.WrittenSince(2));
        Assert.Equal([3, 7, 500], again.WrittenSince(1));

        // It must outlive the era that follows, and digestion too.
        again.Write(9);
        again.Target.Checkpoint();
        again.Threads.UntilWaiting(1);
        again.Target.Suspend();
        Assert.Equal([7, 9], again.WrittenSince(2));
    }

    [Fact]
    public void Second_write_to_a_block_does_not_overtake_the_commit_of_its_mark()
    {
        // dm-era set the bit in memory before the commit: a second write to the block saw it, and went ahead.
        using TestEra era = TestEra.Active();
        using Gate commit = new();
        int originWrites = 0;
        era.Origin.Before = _ => Interlocked.Increment(ref originWrites);
        era.Metadata.Before = operation =>
        {
            if (operation.Call is not DeviceCall.Flush) return;
            commit.Pass();
            throw new DeviceException("disk broke", Errno.EIO);
        };

        Background first = Background.Run(() => Assert.Throws<DeviceException>(() => era.Write(7)));
        commit.UntilArrived();
        Assert.False(era.Target.Device.TryWriteNow(7 * TestEra.BlockBytes, new byte[512]));
        Background second = Background.Run(() => Assert.Throws<DeviceException>(() => era.Write(7)));
        era.Threads.UntilWaiting(2);        // the two writers; the worker is held in its commit
        commit.Open();
        first.Join();
        second.Join();

        // Their mark never became durable: nothing may have changed.
        Assert.Equal(0, originWrites);
    }

    [Theory, InlineData(2), InlineData(63), InlineData(BlocksOfOneWord)]
    public void Digestion_of_a_small_device_takes_each_writesets_own_bits(uint blocks)
    {
        // dm-era kept the word it had read last. Where a writeset is one word, that of the first writeset stood for all.
        int last = (int)blocks - 1;
        TestTransactions crashed = new(new ProbeDevice(1 << 20));
        crashed.Eras.Resume(blocks);
        crashed.Mark(0u);
        crashed.Eras.RollOver();
        crashed.Mark((uint)last);
        crashed.Eras.RollOver();
        Assert.Equal(2, crashed.Audit().Writesets.Count);

        using TestEra era = new((int)blocks, crashed.Device, new ProbeDevice((int)blocks * TestEra.BlockBytes));
        era.Target.Resume();
        era.Threads.UntilWaiting(1);        // the worker, with nothing left to digest
        era.Target.Suspend();

        EraAudit audit = era.Audit();
        Assert.Equal([4u], audit.Writesets.Keys);       // suspending archived it
        Assert.Equal((1u, 2u), (audit.EraArray[0], audit.EraArray[last]));
    }

    [Fact]
    public void Checkpoint_does_not_overtake_a_write_in_flight()
    {
        // dm-era still does not wait: a copy made after the checkpoint has the old bytes of block 3, and the next one
        // leaves the block out, since it was recorded in the era before.
        using TestEra era = TestEra.Active();
        era.Write(3);
        using Gate origin = new();
        era.Origin.Before = operation =>
        {
            if (operation.Call == DeviceCall.Write) origin.Pass();
        };
        byte[] written = new byte[512];
        written.AsSpan().Fill(0xAB);
        byte[] copied = new byte[512];

        Background write = Background.Run(() => era.Target.Device.Write(3 * TestEra.BlockBytes, written));
        origin.UntilArrived();
        Background backup = Background.Run(() =>
        {
            era.Target.Checkpoint();
            era.Target.Device.Read(3 * TestEra.BlockBytes, copied);
        });
        era.Threads.UntilWaiting(2);        // the worker, with nothing to do, and the checkpoint
        origin.Open();
        backup.Join();
        write.Join();

        Assert.Empty(era.WrittenSince(2));
        Assert.Equal(written, copied);
    }
}
