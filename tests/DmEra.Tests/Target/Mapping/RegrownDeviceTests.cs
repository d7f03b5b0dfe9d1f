namespace DmEra.Tests.Target.Mapping;

/// <summary>
/// A device is shrunk and grown back between two backups. What was cut off had been written since the first of
/// them; its marks went with it, its content did not. The simulation found the change missing from the list.
/// </summary>
public class RegrownDeviceTests
{
    private const int Blocks = 100;
    private const int Cut = 50;

    [Fact]
    public void Blocks_that_were_cut_off_and_are_back_count_as_written()
    {
        using TestEra era = TestEra.Active(Blocks);
        uint backup = era.Target.Checkpoint();
        era.Write(60);
        era.Target.Resize(Cut * (long)TestEra.BlockSectors);
        era.Target.Checkpoint();
        era.Target.Resize(Blocks * (long)TestEra.BlockSectors);

        Assert.Equal(Enumerable.Range(Cut, Blocks - Cut), era.WrittenSince(backup));
    }

    [Fact]
    public void Writing_to_blocks_that_a_device_has_gained_costs_no_commit()
    {
        using TestEra era = TestEra.Active(Blocks);
        era.Target.Resize(Cut * (long)TestEra.BlockSectors);
        era.Target.Resize(Blocks * (long)TestEra.BlockSectors);
        era.Threads.UntilWaiting(1);
        era.Metadata.Before = _ => Assert.Fail("the metadata was touched");
        era.Write(Cut, Blocks - 1);
        era.Metadata.Before = null;
    }

    [Fact]
    public void Blocks_of_a_new_device_were_never_written()
    {
        using TestEra era = TestEra.Active(Blocks);
        Assert.Empty(era.WrittenSince(1));
    }
}
