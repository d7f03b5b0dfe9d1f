using DmEra.Tools.Check;
using static DmEra.Tests.Tools.Check.CheckedImage;

namespace DmEra.Tests.Tools.Check;

public sealed class SuperblockInspectorTests
{
    [Theory]
    [InlineData(0, "bad checksum in superblock")]
    [InlineData(65, "superblock has block number 2")]
    [InlineData(8 * 32, "superblock has magic 2126579578, not 2126579579: this is no era metadata")]
    [InlineData(4095 * 8, "bad checksum in superblock")]
    public void A_damaged_superblock_ends_it(int bit, string cause)
    {
        ImageEditor image = KernelSnapshot().Flip(0, bit);
        CheckReport report = Examine(image);

        Fault fault = Assert.Single(report.Faults);
        Assert.Equal((FaultLevel.Damage, "superblock", cause), (fault.Level, fault.Place, fault.Cause));
        Assert.False(report.IsTrustworthy);
        Assert.Null(report.Facts);
        Assert.Equal(cause, Assert.Single(MetadataChecker.CheckSuperblock(image.Device).Faults).Cause);
    }

    [Fact]
    public void The_superblock_alone_can_be_checked()
    {
        CheckReport report = MetadataChecker.CheckSuperblock(KernelSnapshot().Flip(EraBlock0, 1).Device);

        Assert.Empty(report.Faults);
        Assert.Equal(5u, report.Facts?.CurrentEra);
    }

    [Theory]
    [InlineData(176, 16, FaultLevel.Damage, "metadata block size of 16 sectors, not 8")]
    [InlineData(172, 12, FaultLevel.Damage, "data block size of 12 sectors, not a multiple of 8")]
    [InlineData(172, 0, FaultLevel.Damage, "data block size of 0 sectors, not a multiple of 8")]
    [InlineData(4, 6, FaultLevel.Cosmetic, "unknown flags 6")]
    [InlineData(168, 1, FaultLevel.Cosmetic, "unused bytes are not zero")]
    [InlineData(4092, 1, FaultLevel.Cosmetic, "unused bytes are not zero")]
    public void Oddities_of_the_superblock_are_told(int offset, uint value, FaultLevel level, string cause)
    {
        Fault fault = Assert.Single(Examine(KernelSnapshot().Set32(0, offset, value)).Faults);

        Assert.Equal((level, "superblock", cause), (fault.Level, fault.Place, fault.Cause));
        Assert.Equal(ChangeLists.None, fault.InDoubt);
    }

    [Fact]
    public void The_lineage_that_our_own_target_writes_is_no_fault() =>
        Assert.Empty(Examine(KernelSnapshot().Set32(0, 16, 1)).Faults);

    [Fact]
    public void The_mark_of_a_clean_shutdown_is_known() => Assert.Empty(Examine(KernelSnapshot().Set32(0, 4, 1)).Faults);
}
