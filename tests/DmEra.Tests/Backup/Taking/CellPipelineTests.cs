using DmEra.Backup.Maps;
using DmEra.Backup.Packs;
using DmEra.Backup.Taking;
using DmEra.Devices;
using DmEra.Devices.Threads;
using DmEra.Tests.Nbd;

namespace DmEra.Tests.Backup.Taking;

public class CellPipelineTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Where_a_thread_is_not_to_be_had_those_that_there_are_end(int available)
    {
        const int Cells = 32;       // more than are read ahead
        ScarceThreads threads = new(available);
        MemoryStore store = new();
        LeftOverPacks none = LeftOverPacks.Collect(store, new PackReader(store, null), image: 1, SystemThreads.Instance);

        Assert.Throws<OutOfMemoryException>(() => CellPipeline.Run(
            threads,
            new MemoryBlockDevice(Cells * PackLimits.CellLength),
            [new SectorRange(0, Cells * PackLimits.CellSectors)],
            none,
            _ => { },
            CancellationToken.None));

        Wait.Until(() => threads.Running == 0);
    }
}
