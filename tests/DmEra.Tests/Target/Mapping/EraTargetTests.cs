namespace DmEra.Tests.Target.Mapping;

public class EraTargetTests
{
    [Fact]
    public void First_status_is_the_kernels()
    {
        using TestEra era = new(1024, 1024);
        Assert.Equal("0 8192 era 8 6/1024 0 -", era.Target.Status.ToString());
        era.Target.Resume();
        Assert.Equal("0 8192 era 8 10/1024 1 -", era.Target.Status.ToString());
    }

    [Fact]
    public void Writes_are_recorded_in_the_era_of_their_time()
    {
        using TestEra era = TestEra.Active();
        era.Write(3, 4);
        Assert.Equal(2u, era.Target.Checkpoint());
        era.Write(4, 1023);

        uint[] eras = era.Audit().LastWritten();
        Assert.Equal((1u, 2u, 2u), (eras[3], eras[4], eras[1023]));
        Assert.Equal([3, 4, 1023], era.WrittenSince(1));
        Assert.Equal([4, 1023], era.WrittenSince(2));
    }
}
