using DmEra.Devices;

namespace DmEra.Tests.Devices;

public class FileBlockDeviceLengthTests
{
    [Fact]
    public void File_that_somebody_extended_is_as_long_as_before_until_looked_at_again()
    {
        using TempFolder folder = new();
        using FileBlockDevice device = FileBlockDevice.Open(folder.Sparse("disk", 8192));
        Oracle.Run("truncate", "--size=16384", folder["disk"]).AssertSuccess();

        Assert.Equal(8192, device.Length);
        device.RefreshLength();
        Assert.Equal(16384, device.Length);
    }
}
