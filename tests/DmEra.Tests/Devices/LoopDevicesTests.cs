using DmEra.Devices;

namespace DmEra.Tests.Devices;

/// <summary>On a folder that looks as what the kernel tells of its devices: not every machine that runs tests lets loop devices be
/// made.</summary>
public sealed class LoopDevicesTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public LoopDevicesTests()
    {
        File.WriteAllText(_folder["disk.img"], "");
        File.WriteAllText(_folder["other.img"], "");
        Loop("loop0", "7:0", _folder["other.img"], isReadOnly: false);
        Loop("loop1", "7:1", _folder["disk.img"], isReadOnly: false);
        Directory.CreateDirectory(_folder["sys/block/loop1/loop1p1"]);
        File.CreateSymbolicLink(_folder["sys/dev/block/259:0"], "../../block/loop1/loop1p1");
        Directory.CreateDirectory(_folder["sys/block/sda"]);
        File.CreateSymbolicLink(_folder["sys/dev/block/8:0"], "../../block/sda");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_that_is_a_loop_device_is_found_by_any_of_its_names()
    {
        File.CreateSymbolicLink(_folder["link"], "disk.img");

        Assert.Equal("/dev/loop1", LoopDevices.WriterOf(FileStatus.Of(_folder["disk.img"]), _folder["sys"]));
        Assert.Equal("/dev/loop1", LoopDevices.WriterOf(FileStatus.Of(_folder["link"]), _folder["sys"]));
    }

    [Fact]
    public void A_loop_device_that_is_gone_or_only_reads_is_no_writer()
    {
        Loop("loop2", "7:2", $"{_folder["gone.img"]} (deleted)", isReadOnly: false);
        File.WriteAllText(_folder["read.img"], "");
        Loop("loop3", "7:3", _folder["read.img"], isReadOnly: true);
        File.WriteAllText(_folder["third.img"], "");

        Assert.Null(LoopDevices.WriterOf(FileStatus.Of(_folder["read.img"]), _folder["sys"]));
        Assert.Null(LoopDevices.WriterOf(FileStatus.Of(_folder["third.img"]), _folder["sys"]));
        Assert.Null(LoopDevices.WriterOf(FileStatus.Of(_folder["third.img"]), _folder["none"]));
    }

    [Theory]
    [InlineData(7, 1, true, true)]
    [InlineData(259, 0, true, false)]
    [InlineData(8, 0, false, false)]
    [InlineData(9, 9, false, false)]
    public void The_file_behind_a_device_is_found(uint major, uint minor, bool hasOne, bool isWholeExpected)
    {
        FileStatus device = new(FileKind.BlockDevice, default, 0, 0, (0, 6), (major, minor, 0), 1, 0);

        Assert.Equal(hasOne ? _folder["disk.img"] : null, LoopDevices.FileBehind(device, out bool isWhole, _folder["sys"]));
        Assert.Equal(isWholeExpected, isWhole);
    }

    private void Loop(string name, string number, string file, bool isReadOnly)
    {
        Directory.CreateDirectory(_folder[$"sys/block/{name}/loop"]);
        Directory.CreateDirectory(_folder["sys/dev/block"]);
        File.WriteAllText(_folder[$"sys/block/{name}/loop/backing_file"], $"{file}\n");
        File.WriteAllText(_folder[$"sys/block/{name}/ro"], isReadOnly ? "1\n" : "0\n");
        File.CreateSymbolicLink(_folder[$"sys/dev/block/{number}"], $"../../block/{name}");
    }
}
