using System.Globalization;
using DmEra.Serving;
using DmEra.Serving.Hosting;
using DmEra.Target.Mapping;

namespace DmEra.Tests.Serving.Hosting;

public sealed class DeviceSettingsTests : IDisposable
{
    private const long GiB = 1L << 30;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_missing_origin_is_made_with_the_size_asked_for_and_metadata_beside_it()
    {
        using NewFiles files = new();
        EraTable table = Request(size: GiB).Prepare(files);
        files.Keep();

        Assert.Equal($"0 2097152 era {_folder["disk.era"]} {_folder["disk"]} 128", table.ToString());
        Assert.Equal(GiB, new FileInfo(_folder["disk"]).Length);
        Assert.Equal(4 << 20, new FileInfo(_folder["disk.era"]).Length);
    }

    [Theory]
    [InlineData(false, 0, 0)]
    [InlineData(true, 4 << 20, 5 << 20)]
    public void New_metadata_takes_its_space_as_it_needs_it_or_at_once(bool reserves, long least, long most)
    {
        using NewFiles files = new();
        (Request(size: GiB) with { ReservesMetadata = reserves }).Prepare(files);

        string blocks = Oracle.Run("stat", "--format=%b", _folder["disk.era"]).AssertSuccess().Output;
        Assert.InRange(512 * long.Parse(blocks, CultureInfo.InvariantCulture), least, most);
    }

    [Fact]
    public void Files_are_unmade_unless_they_come_to_be_served()
    {
        using (NewFiles files = new())
        {
            Request(size: GiB).Prepare(files);
            File.WriteAllText(_folder["disk.era.chronicle"], "as the target makes it");
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void Files_that_were_there_stay_as_they_were()
    {
        _folder.Sparse("disk", GiB);
        _folder.Sparse("disk.era", 8192);
        using (NewFiles files = new()) Request().Prepare(files);

        Assert.Equal(GiB, new FileInfo(_folder["disk"]).Length);
        Assert.Equal(8192, new FileInfo(_folder["disk.era"]).Length);
    }

    [Fact]
    public void A_missing_origin_is_not_made_without_a_size() =>
        Assert.Equal($"{_folder["disk"]}: no such file; give --size to create it", Refusal(Request()));

    [Fact]
    public void A_fresh_origin_never_gets_the_eras_of_a_lost_one()
    {
        _folder.Sparse("disk.era", 1 << 20);

        Assert.Contains("its metadata exists", Refusal(Request(size: GiB)), StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["disk"]));
    }

    [Fact]
    public void An_origin_of_another_size_is_left_alone()
    {
        _folder.Sparse("disk", 3 * GiB / 2);

        Assert.Equal(
            $"{_folder["disk"]}: exists with 1536M, not 1G; leave --size away to serve it as it is",
            Refusal(Request(size: GiB)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public void An_origin_with_part_of_a_sector_is_refused(long length)
    {
        _folder.Sparse("disk", length);

        Assert.Contains("truncate -s %512", Refusal(Request()), StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["disk.era"]));
    }

    [Fact]
    public void Device_nodes_are_not_made()
    {
        DeviceSettings request = Request(size: GiB) with { Origin = "/dev/no-such-disk", Metadata = _folder["m"] };

        Assert.Equal("/dev/no-such-disk: no such device; check the path", Refusal(request));
    }

    [Fact]
    public void A_file_system_that_is_mounted_below_the_nodes_is_as_any_other()
    {
        string folder = Directory.CreateDirectory($"/dev/shm/era-test-{Guid.NewGuid():N}").FullName;
        try
        {
            using NewFiles files = new();
            (Request(size: GiB) with { Origin = $"{folder}/disk", Metadata = $"{folder}/disk.era" }).Prepare(files);

            Assert.Equal(GiB, new FileInfo($"{folder}/disk").Length);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_link_does_not_lead_among_the_nodes()
    {
        File.CreateSymbolicLink(_folder["nodes"], "/dev");
        DeviceSettings request = Request(size: GiB) with { Origin = _folder["nodes/no-such-disk"], Metadata = _folder["m"] };

        Assert.EndsWith("no such device; check the path", Refusal(request), StringComparison.Ordinal);
    }

    [Fact]
    public void The_block_size_is_that_of_the_metadata_unless_another_is_asked_for()
    {
        _folder.Sparse("disk", GiB);
        _folder.Sparse("disk.era", 1 << 20);
        EraTarget.Create(
            EraTable.Parse($"0 2048 era {_folder["disk.era"]} {_folder["disk"]} 32"), new EraTargetOptions()).Dispose();
        using NewFiles files = new();

        Assert.Equal(32u, Request().Prepare(files).BlockSizeSectors);
        Assert.Equal(8u, (Request() with { BlockSize = 4096 }).Prepare(files).BlockSizeSectors);
    }

    private DeviceSettings Request(long? size = null) => new()
    {
        Origin = _folder["disk"],
        Metadata = _folder["disk.era"],
        Size = size,
        Name = "disk",
    };

    private static string Refusal(DeviceSettings request)
    {
        using NewFiles files = new();
        return Assert.Throws<ServingException>(() => request.Prepare(files)).Message;
    }
}
