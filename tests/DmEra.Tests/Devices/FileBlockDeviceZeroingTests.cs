using DmEra.Devices;

namespace DmEra.Tests.Devices;

public sealed class FileBlockDeviceZeroingTests
{
    private const int Length = 1 << 20;

    [Theory]
    [InlineData(ZeroingMode.MayDeallocate)]
    [InlineData(ZeroingMode.KeepAllocated)]
    [InlineData(ZeroingMode.FastOnly)]
    [InlineData(ZeroingMode.FastOnlyKeepAllocated)]
    public void Exactly_the_range_reads_as_zeroes(ZeroingMode mode)
    {
        using TempFolder folder = new();
        using FileBlockDevice file = FileBlockDevice.Open(folder.Sparse("disk", Length));
        byte[] expected = new byte[Length];
        Array.Fill(expected, (byte)0xA5);
        file.Write(0, expected);

        file.WriteZeroes(1001, 600_001, mode);

        Array.Clear(expected, 1001, 600_001);
        byte[] content = new byte[Length];
        file.Read(0, content);
        Assert.Equal(expected, content);
    }

    [Theory]
    [InlineData(ZeroingMode.KeepAllocated)]
    [InlineData(ZeroingMode.FastOnlyKeepAllocated)]
    public void Zeroes_that_must_stay_allocated_leave_no_hole(ZeroingMode mode)
    {
        using TempFolder folder = new();
        using FileBlockDevice file = FileBlockDevice.Open(folder.Sparse("disk", Length));

        file.WriteZeroes(0, Length, mode);

        long allocated = long.Parse(Oracle.Run("stat", "-c", "%b", file.Path).AssertSuccess().Output) * 512;
        Assert.True(allocated >= Length, $"{allocated} bytes are allocated");
    }

    [Fact]
    public void A_prefetched_range_can_be_read()
    {
        using TempFolder folder = new();
        using FileBlockDevice file = FileBlockDevice.Open(folder.Sparse("disk", Length));

        file.Prefetch(0, Length);

        file.Read(0, new byte[Length]);
    }
}
