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

    [Fact]
    public void A_length_that_no_file_can_have_is_a_fault_of_the_device_that_names_it()
    {
        using TempFolder folder = new();
        using FileBlockDevice device = FileBlockDevice.Open(folder.Sparse("disk", 8192));

        DeviceException fault = Assert.Throws<DeviceException>(() => device.Cut(-1));

        Assert.Contains(folder["disk"], fault.Message, StringComparison.Ordinal);
        Assert.Equal(8192, device.Length);
    }
}
