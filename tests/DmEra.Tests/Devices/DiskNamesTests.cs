using DmEra.Devices;

namespace DmEra.Tests.Devices;

/// <summary>All names of a disk, so that what belongs to it is found by each.</summary>
public sealed class DiskNamesTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Links_lead_from_the_name_that_was_given_to_the_file()
    {
        _folder.Sparse("disk", 4096);
        Directory.CreateDirectory(_folder["by-id"]);
        File.CreateSymbolicLink(_folder["by-id/wwn"], "../second");
        File.CreateSymbolicLink(_folder["second"], _folder["disk"]);

        Assert.Equal([_folder["by-id/wwn"], _folder["second"], _folder["disk"]], DiskNames.Of(_folder["by-id/wwn"]));
        Assert.Equal([_folder["disk"]], DiskNames.Of(_folder["disk"]));
    }

    [Fact]
    public void A_disk_that_does_not_exist_has_the_name_that_was_given()
    {
        Assert.Equal([_folder["disk"]], DiskNames.Of(_folder["disk"]));
        Assert.Equal(["/dev/mapper/none"], DiskNames.Of("/dev/mapper/none"));
    }

    [Fact]
    public void Links_in_a_circle_have_an_end()
    {
        File.CreateSymbolicLink(_folder["one"], _folder["two"]);
        File.CreateSymbolicLink(_folder["two"], _folder["one"]);

        Assert.Equal([_folder["one"], _folder["two"]], DiskNames.Of(_folder["one"]));
    }

    [Fact]
    public void Other_names_of_a_file_in_its_folder_are_found_and_it_stays_the_best()
    {
        _folder.Sparse("disk", 4096);
        _folder.Sparse("another", 4096);
        Assert.False(DiskNames.HasSeveral(_folder["disk"]));
        Oracle.Run("ln", [_folder["disk"], _folder["twin"]]).AssertSuccess();

        Assert.True(DiskNames.HasSeveral(_folder["disk"]));
        Assert.Equal([_folder["twin"], _folder["disk"]], DiskNames.Of(_folder["disk"]));
        Assert.Equal([_folder["disk"], _folder["twin"]], DiskNames.Of(_folder["twin"]));
    }
}
