using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Metadata;

/// <summary>One record a disk, whatever name it is called by.</summary>
public sealed class DefaultMetadataTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public DefaultMetadataTests()
    {
        _folder.Sparse("disk", 4096);
        File.CreateSymbolicLink(_folder["link"], _folder["disk"]);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_new_record_is_made_beside_the_disk_and_not_beside_a_link_to_it()
    {
        Assert.Equal(_folder["disk.era"], DefaultMetadata.Of(_folder["disk"]));
        Assert.Equal(_folder["disk.era"], DefaultMetadata.Of(_folder["link"]));
        Assert.Null(DefaultMetadata.TryFind(_folder["link"]));
    }

    [Fact]
    public void A_record_that_an_earlier_version_made_beside_a_link_is_found()
    {
        _folder.Sparse("link.era", 4096);

        Assert.Equal(_folder["link.era"], DefaultMetadata.Of(_folder["link"]));
    }

    [Fact]
    public void Two_records_of_one_disk_are_refused_unless_they_are_one()
    {
        _folder.Sparse("disk.era", 4096);
        File.CreateSymbolicLink(_folder["link.era"], _folder["disk.era"]);
        Assert.Equal(_folder["link.era"], DefaultMetadata.Of(_folder["link"]));

        File.Delete(_folder["link.era"]);
        _folder.Sparse("link.era", 4096);
        string refusal = Assert.Throws<IOException>(() => DefaultMetadata.Of(_folder["link"])).Message;
        Assert.Contains($"{_folder["link.era"]} and {_folder["disk.era"]}", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_name_of_the_same_file_finds_the_record_or_is_refused()
    {
        _folder.Sparse("disk.era", 4096);
        Directory.CreateDirectory(_folder["elsewhere"]);
        Oracle.Run("ln", [_folder["disk"], _folder["twin"]]).AssertSuccess();
        Oracle.Run("ln", [_folder["disk"], _folder["elsewhere/twin"]]).AssertSuccess();

        Assert.Equal(_folder["disk.era"], DefaultMetadata.Of(_folder["twin"]));
        string refusal = Assert.Throws<IOException>(() => DefaultMetadata.Of(_folder["elsewhere/twin"])).Message;
        Assert.Contains("--metadata", refusal, StringComparison.Ordinal);
    }
}
