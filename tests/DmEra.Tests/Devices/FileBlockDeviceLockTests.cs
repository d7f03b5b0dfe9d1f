using System.Globalization;
using System.Runtime.InteropServices;
using DmEra.Devices;
using Microsoft.Win32.SafeHandles;

namespace DmEra.Tests.Devices;

public sealed class FileBlockDeviceLockTests : IDisposable
{
    private readonly TempFolder _folder = new();

    [Fact]
    public void Second_writer_is_kept_out()
    {
        string disk = _folder.Sparse("disk", 8192);
        using FileBlockDevice first = FileBlockDevice.Open(disk);

        DeviceException refusal = Assert.Throws<DeviceException>(() => FileBlockDevice.Open(disk));
        Assert.Equal(Errno.EBUSY, refusal.Errno);
    }

    [Fact]
    public void Closed_device_is_free_at_once_even_while_a_forked_child_has_it_open()
    {
        string disk = _folder.Sparse("disk", 8192);
        FileBlockDevice device = FileBlockDevice.Open(disk);
        using SafeFileHandle child = new(dup(DescriptorOf(disk)), ownsHandle: true);
        device.Dispose();

        using FileBlockDevice next = FileBlockDevice.Open(disk);
        Assert.False(next.IsReadOnly);
    }

    public void Dispose() => _folder.Dispose();

    private static int DescriptorOf(string path)
    {
        string link = Directory.GetFiles("/proc/self/fd")
            .Single(descriptor => new FileInfo(descriptor).LinkTarget == path);
        return int.Parse(Path.GetFileName(link), CultureInfo.InvariantCulture);
    }

    // What a fork does to every descriptor.
    [DllImport("libc")]
    private static extern int dup(int descriptor);
}
