using DmEra.Devices;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Target.Mapping;

public sealed class LoopWatchTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly List<string> _log = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_loop_device_that_was_made_of_a_served_file_is_told_of_once_and_stays_in_the_status()
    {
        using FileBlockDevice origin = FileBlockDevice.Open(_folder.Sparse("disk", 4096));
        using ProbeDevice metadata = new(4096);
        string? loop = null;
        LoopWatch watch = new([metadata, origin], _log.Add, _ => loop);
        Assert.Null(watch.Look());

        loop = "/dev/loop7";
        string warning = watch.Look()!;
        loop = null;

        Assert.StartsWith($"{_folder["disk"]}: has become /dev/loop7 while it is served", warning, StringComparison.Ordinal);
        Assert.Contains("losetup -d /dev/loop7", warning, StringComparison.Ordinal);
        Assert.Equal(warning, watch.Look());
        Assert.Equal(warning, Assert.Single(_log));
    }

    [Fact]
    public void A_device_that_is_no_file_is_not_looked_for()
    {
        using ProbeDevice origin = new(4096);

        Assert.Null(new LoopWatch([origin], _log.Add, _ => "/dev/loop7").Look());
    }
}
