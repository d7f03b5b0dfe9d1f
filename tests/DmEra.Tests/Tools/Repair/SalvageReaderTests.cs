using DmEra.Cli.Offline;
using DmEra.Devices;
using DmEra.Tools.Repair;
using DmEra.Tools.Writing;

namespace DmEra.Tests.Tools.Repair;

public sealed class SalvageReaderTests
{
    private const uint Windows = 5;
    private const uint NrBlocks = ((Windows - 1) * Salvage.WindowBlocks) + 7;

    private readonly MemoryBlockDevice _metadata = new(0);

    public SalvageReaderTests()
    {
        MetadataBuilder builder = MetadataBuilder.Create(_metadata, new EraGeometry(8, NrBlocks, 9));
        for (uint window = 0; window < Windows; window++)
        {
            uint block = window * Salvage.WindowBlocks;
            builder.EraArray.Block(block / 1018)[(int)(block % 1018)] = window + 1;
        }

        builder.Commit();
    }

    [Fact]
    public void Windows_come_in_order_and_each_once()
    {
        List<(uint First, int Count, uint Era)> windows = [];

        SalvageReader.ForEachWindow(Open(_metadata), (first, eras) => windows.Add((first, eras.Length, eras[0])));

        Assert.Equal(
            Enumerable.Range(0, (int)Windows).Select(i => ((uint)i * Salvage.WindowBlocks, i + 1 == Windows ? 7 : Salvage.WindowBlocks, (uint)i + 1)),
            windows);
    }

    [Fact]
    public void What_stops_the_reading_comes_out()
    {
        int reads = 0;
        using WatchedDevice device = new(_metadata, _ =>
        {
            if (++reads > 4) throw new OperationCanceledException();
        });

        Assert.Throws<OperationCanceledException>(() => SalvageReader.ForEachWindow(Open(device), static (_, _) => { }));
    }

    [Fact]
    public void When_its_user_fails_it_reads_no_more()
    {
        int reads = 0, used = 0;
        using WatchedDevice device = new(_metadata, _ => Interlocked.Increment(ref reads));

        Assert.Throws<DeviceException>(() => SalvageReader.ForEachWindow(Open(device), (_, _) =>
        {
            used++;
            throw new DeviceException("output", Errno.ENOSPC);
        }));

        int readsThen = Volatile.Read(ref reads);
        Assert.Equal(1, used);
        int all = 0;
        SalvageReader.ForEachWindow(Open(new WatchedDevice(_metadata, _ => all++)), static (_, _) => { });
        Assert.InRange(readsThen, 1, all - 1);
    }

    private static Salvage Open(IBlockDevice metadata) => Salvage.Open(metadata, new GeometryHint(null, null, null));
}
