using DmEra.Cli.Backups;
using DmEra.Devices;

namespace DmEra.Tests.Cli.Backups;

public sealed class NewDiskImageTests : IDisposable
{
    private readonly TempFolder _folder = new();

    [Fact]
    public void Another_file_put_in_its_place_is_neither_cut_nor_written_to()
    {
        File.WriteAllText(_folder["victim"], "precious");
        using NewDiskImage image = NewDiskImage.Create(_folder["disk"], 4096);
        File.Delete(_folder["disk.partial"]);
        File.CreateSymbolicLink(_folder["disk.partial"], _folder["victim"]);

        image.Device.Write(0, new byte[4096]);

        Assert.Equal("precious", File.ReadAllText(_folder["victim"]));
    }

    [Fact]
    public void A_name_that_somebody_else_took_meanwhile_stays_his()
    {
        using NewDiskImage image = NewDiskImage.Create(_folder["disk"], 4096);
        File.WriteAllText(_folder["disk"], "precious");

        Assert.ThrowsAny<Exception>(image.Complete);

        Assert.Equal("precious", File.ReadAllText(_folder["disk"]));
    }

    [Fact]
    public void One_that_another_program_is_writing_is_left_alone_and_one_that_was_left_behind_is_not()
    {
        using (NewDiskImage first = NewDiskImage.Create(_folder["disk"], 4096))
        {
            Assert.Equal(Errno.EBUSY, Assert.Throws<DeviceException>(() => NewDiskImage.Create(_folder["disk"], 4096)).Errno);
            Assert.True(File.Exists(_folder["disk.partial"]));
        }

        File.WriteAllText(_folder["disk.partial"], "left behind");
        using NewDiskImage second = NewDiskImage.Create(_folder["disk"], 4096);
        second.Complete();
        Assert.Equal(4096, new FileInfo(_folder["disk"]).Length);
    }

    public void Dispose() => _folder.Dispose();
}
