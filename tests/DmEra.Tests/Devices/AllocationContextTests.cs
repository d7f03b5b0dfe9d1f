using DmEra.Devices;

namespace DmEra.Tests.Devices;

public sealed class AllocationContextTests
{
    private const int Mebibyte = 1 << 20;

    [Fact]
    public void Holes_and_data_alternate_up_to_the_end_of_the_range()
    {
        using TempFolder folder = new();
        using FileBlockDevice file = FileBlockDevice.Open(folder.Sparse("disk", 8 * Mebibyte));
        file.Write(2 * Mebibyte, new byte[Mebibyte]);
        file.Write(7 * Mebibyte, new byte[Mebibyte]);

        List<Extent> extents = [];
        new AllocationContext(file).Describe(Mebibyte, 7 * Mebibyte, 100, extents);

        Assert.Equal(
            [new(Mebibyte, 3), new(Mebibyte, 0), new(4 * Mebibyte, 3), new(Mebibyte, 0)], extents);
    }

    [Fact]
    public void No_more_extents_are_given_than_asked_for()
    {
        using TempFolder folder = new();
        using FileBlockDevice file = FileBlockDevice.Open(folder.Sparse("disk", 8 * Mebibyte));
        file.Write(2 * Mebibyte, new byte[Mebibyte]);

        List<Extent> extents = [];
        new AllocationContext(file).Describe(0, 8 * Mebibyte, 1, extents);

        Assert.Equal([new(2 * Mebibyte, 3)], extents);
    }

    [Fact]
    public void Zeroes_that_were_written_are_data_and_zeroes_that_were_asked_for_are_a_hole()
    {
        using TempFolder folder = new();
        using FileBlockDevice file = FileBlockDevice.Open(folder.Sparse("disk", 2 * Mebibyte));
        file.Write(0, new byte[2 * Mebibyte]);
        file.WriteZeroes(Mebibyte, Mebibyte, ZeroingMode.MayDeallocate);

        List<Extent> extents = [];
        new AllocationContext(file).Describe(0, 2 * Mebibyte, 100, extents);

        Assert.Equal([new(Mebibyte, 0), new(Mebibyte, 3)], extents);
    }

    [Fact]
    public void A_file_that_grew_is_described_to_its_new_end()
    {
        using TempFolder folder = new();
        string path = folder.Sparse("disk", Mebibyte);
        using FileBlockDevice file = FileBlockDevice.OpenShared(path);
        AllocationContext context = new(file);
        using (FileStream grown = new(path, FileMode.Open)) grown.SetLength(3 * Mebibyte);

        List<Extent> extents = [];
        context.Describe(2 * Mebibyte, Mebibyte, 100, extents);

        Assert.Equal([new(Mebibyte, 3)], extents);
    }

    [Theory]
    [InlineData(0, 8)]
    [InlineData(1, 7)]
    [InlineData(4, 2)]
    public void What_was_cut_off_behind_the_back_of_the_device_is_no_hole_and_has_an_end(int offset, int length)
    {
        using TempFolder folder = new();
        string path = folder.Sparse("disk", 8 * Mebibyte);
        using FileBlockDevice file = FileBlockDevice.OpenShared(path);
        using (FileStream cut = new(path, FileMode.Open)) cut.SetLength(Mebibyte);

        List<Extent> extents = [];
        new AllocationContext(file).Describe(offset * Mebibyte, length * Mebibyte, 100, extents);

        Assert.All(extents, extent => Assert.True(extent.Length > 0));
        Assert.Equal(length * Mebibyte, extents.Sum(extent => extent.Length));
        Assert.Equal(0u, extents[^1].Status);
    }

    [Fact]
    public void A_catalog_finds_what_it_lists_and_what_the_catalogs_behind_it_find()
    {
        using TempFolder folder = new();
        using FileBlockDevice file = FileBlockDevice.Open(folder.Sparse("disk", Mebibyte));
        BlockStatusCatalog behind = new(new AllocationContext(file));
        BlockStatusCatalog catalog = new([], [behind, behind]);

        Assert.Equal(["base:allocation"], catalog.Names);
        Assert.NotNull(catalog.Find("base:allocation"));
        Assert.Null(catalog.Find("base:"));
    }
}
