using DmEra.Devices;
using DmEra.EndToEnd.Vm;
using DmEra.Target.History;
using DmEra.Tests;

namespace DmEra.EndToEnd.Kernel;

/// <summary>The kernel's machine dies in the midst of writes and checkpoints, and we open what it leaves.</summary>
public sealed class KernelCrashTests
{
    private const uint BlockCount = 2048;

    // A write tells the era that was known to have begun when it started: it is recorded in that era or a later one.
    private const string WritesAndCheckpoints =
        """
        echo 1 > /tmp/era
        checkpoints() {
            era=1
            while dmsetup message era0 0 checkpoint; do
                era=$((era + 1))
                echo $era > /tmp/era.new
                mv /tmp/era.new /tmp/era
                usleep 100000
            done
        }
        checkpoints &
        while :; do
            block=$((RANDOM % 2048))
            read -r era < /tmp/era
            dd if=/dev/zero of=/dev/mapper/era0 bs=4096 count=1 seek=$((block * 16)) oflag=direct conv=notrunc status=none
            echo $era $block
        done
        """;

    [Theory, InlineData(5), InlineData(20), InlineData(50)]
    public void We_lose_nothing_that_the_kernel_acknowledged_before_the_power_cut(int writesBeforeTheCut)
    {
        using TempFolder folder = new();
        string metadata = folder.Sparse("meta", 4 << 20);
        string origin = folder.Sparse("origin", BlockCount * 65536L);
        WriteLog log = new();
        using (Guest guest = Guest.Boot(GuestDisk.File("meta", metadata), GuestDisk.File("origin", origin)))
        {
            _ = new KernelEra(guest, log, BlockCount);
            foreach (string line in guest.Lines($"RANDOM={writesBeforeTheCut}\n" + WritesAndCheckpoints).Take(writesBeforeTheCut))
            {
                uint[] eraAndBlock = [.. line.Split(' ').Select(uint.Parse)];
                log.GoOnFrom(eraAndBlock[0], BlockCount);
                log.Add(eraAndBlock[1]);
            }
        }

        using (FileBlockDevice device = FileBlockDevice.OpenReadOnly(metadata))
        using (EraHistory history = EraHistory.Open(device))
        {
            IEnumerable<(uint, uint)> written = history.WrittenSince(1).Select(range => (range.Begin, range.End));
            Assert.Empty(log.WrittenSince(1).Except(Oracle.Blocks(written)));
            log.GoOnFrom(history.CurrentEra, BlockCount);
        }

        using OurEra ours = new(metadata, origin, log, BlockCount);
        Assert.Equal(log.Era, ours.Status.CurrentEra);
        ours.Write(17, 1017, 1018);
        ours.Checkpoint();
        ours.Write(18);
        ours.Remove();
        log.AssertIsCoveredBy(metadata);
    }
}
