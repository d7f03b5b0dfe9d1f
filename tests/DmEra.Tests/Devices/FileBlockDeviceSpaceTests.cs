using System.Globalization;
using DmEra.Devices;

namespace DmEra.Tests.Devices;

/// <summary>What a sparse file takes of its file system, and when.</summary>
public sealed class FileBlockDeviceSpaceTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Longer_file_takes_no_space_yet()
    {
        using FileBlockDevice device = FileBlockDevice.Open(_folder.Sparse("disk", MiB));
        Assert.True(device.TryExtend(100 * MiB));
        Assert.Equal(100 * MiB, device.Length);
        Assert.InRange(Allocated(), 0, MiB);
    }

    [Fact]
    public void Reserved_range_has_its_space_and_what_it_held()
    {
        using FileBlockDevice device = FileBlockDevice.Open(_folder.Sparse("disk", 8 * MiB));
        byte[] data = [.. Enumerable.Range(0, 10_000).Select(i => (byte)i)];
        device.Write(MiB, data);
        device.Reserve(0, 4 * MiB);

        byte[] read = new byte[data.Length];
        device.Read(MiB, read);
        Assert.Equal(data, read);
        Assert.Equal(8 * MiB, device.Length);
        Assert.InRange(Allocated(), 4 * MiB, 5 * MiB);
        device.Reserve(0, 4 * MiB);     // once more: nothing
        Assert.InRange(Allocated(), 4 * MiB, 5 * MiB);
    }

    private long Allocated() => 512 * long.Parse(
        Oracle.Run("stat", "--format=%b", _folder["disk"]).AssertSuccess().Output, CultureInfo.InvariantCulture);
}
