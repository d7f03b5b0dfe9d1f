using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Backup.Taking;

namespace DmEra.Tests.Backup.Sources;

/// <summary>What an image is never taken on top of.</summary>
public sealed class ChainCheckTests
{
    private const int Blocks = 50;
    private readonly MemoryStore _store = new();
    private readonly Repository _repository;
    private readonly ModelSource _source = new(Blocks * 128, lineage: Guid.NewGuid());

    public ChainCheckTests()
    {
        _repository = TestRepository.New(_store);
        for (int block = 0; block < Blocks; block++) _source.Write(block, new Random(block));
        _source.CurrentEra = 5;
        for (int block = 10; block < 20; block++) _source.Write(block, new Random(block));
        _repository.Backup(_source);
        _source.CurrentEra = 6;
    }

    [Fact]
    public void A_device_that_is_the_same_goes_on()
    {
        _source.Write(7, new Random(1));

        ImageManifest image = _repository.Backup(_source);

        Assert.Equal(1u, image.Parent!.Number);
        Assert.Equal(65536, image.Cost.BytesRead);
    }

    [Fact]
    public void Another_device_is_refused()
    {
        _source.ChangeLineage(Guid.NewGuid());

        AssertRefused("of another device");
    }

    [Fact]
    public void Metadata_with_other_blocks_is_refused()
    {
        ModelSource other = new(Blocks * 128, blockSectors: 64, _source.Device.Lineage) { CurrentEra = 9 };

        AssertRefused("blocks of 128 sectors", other);
    }

    [Fact]
    public void Metadata_that_is_older_than_the_image_is_refused()
    {
        _source.CurrentEra = 4;

        AssertRefused("older");
    }

    [Fact]
    public void Metadata_put_back_from_a_copy_is_refused_though_its_eras_have_gone_on()
    {
        _source.ForgetSince(5);
        _source.CurrentEra = 12;
        _source.Write(30, new Random(4));

        AssertRefused("written in era 5 or later");
    }

    [Fact]
    public void Metadata_put_back_from_a_copy_is_refused_though_nothing_was_written_before_the_last_image()
    {
        _repository.Backup(_source);
        _source.ForgetSince(5);
        _source.CurrentEra = 12;
        _source.Write(30, new Random(4));

        AssertRefused("written in era 5 or later");
    }

    [Fact]
    public void An_origin_that_was_changed_behind_the_back_of_the_metadata_is_refused()
    {
        // Another disk altogether: any sample tells.
        byte[] other = new byte[65536];
        new Random(99).NextBytes(other);
        for (int block = 0; block < Blocks; block++) _source.Disk.Write(block * 65536L, other);

        AssertRefused("is not as it was");
    }

    [Fact]
    public void A_block_written_while_samples_were_compared_is_no_fault()
    {
        // The sample differs since it was written to just now, and the metadata says so when it is asked again.
        for (int block = 0; block < Blocks; block++) _source.Write(block, new Random(block + 100));

        Assert.Equal(2u, _repository.Backup(_source).Number);
    }

    [Fact]
    public void Without_a_lineage_another_size_is_refused_and_the_same_size_is_remarked_upon()
    {
        _source.ChangeLineage(null);
        BackupReport report = BackupRun.Take(
            _repository, _source, BackupKind.Incremental, null, null, CancellationToken.None);
        Assert.Contains(report.Remarks, remark => remark.Contains("no lineage", StringComparison.Ordinal));

        _source.Resize(_source.Device.SizeSectors + 128);

        AssertRefused("no lineage");
    }

    [Fact]
    public void What_a_device_has_grown_by_is_taken_as_a_whole()
    {
        byte[] old = new byte[65536];
        new Random(1).NextBytes(old);
        _source.Resize(_source.Device.SizeSectors + 128);
        // It was on the disk before; nobody has written it since.
        _source.Disk.Write(Blocks * 65536L, old);

        ImageManifest image = _repository.Backup(_source);

        Assert.Equal(-1, _repository.Restore(image).FirstDifference(_source.Disk));
    }

    [Fact]
    public void An_era_of_the_same_number_with_another_mark_is_refused()
    {
        _source.Marks[7] = Guid.NewGuid();
        _repository.Backup(_source);
        _source.CurrentEra = 7;
        Assert.Equal(2u, _repository.Backup(_source).Parent!.Number);

        _source.CurrentEra = 6;
        _source.Marks[7] = Guid.NewGuid();
        _repository.Backup(_source, BackupKind.Full);
        _source.CurrentEra = 12;
        _source.Marks[7] = Guid.NewGuid();
        AssertRefused("went on with another era 7");
        _source.Marks.Clear();
        AssertRefused("went on with another era 7");
    }

    [Theory]
    [InlineData(5u, false)]
    [InlineData(6u, true)]
    [InlineData(9u, true)]
    public void Writes_that_are_missing_in_the_record_refuse_images_without_a_mark_from_before(uint gap, bool isRefused)
    {
        _source.CurrentEra = 12;
        _source.Gap = gap;

        if (isRefused) AssertRefused("writes are missing in the record");
        else Assert.Equal(1u, _repository.Backup(_source).Parent!.Number);
    }

    [Theory]
    [InlineData(7u, false)]
    [InlineData(8u, true)]
    public void A_gap_at_the_moment_of_an_image_is_told_by_its_mark(uint gap, bool isRefused)
    {
        _source.Marks[7] = Guid.NewGuid();
        _repository.Backup(_source);
        _source.CurrentEra = 12;
        _source.Gap = gap;

        if (isRefused) AssertRefused("writes are missing in the record");
        else Assert.Equal(2u, _repository.Backup(_source).Parent!.Number);
    }

    [Fact]
    public void A_full_image_needs_nothing_to_fit()
    {
        _source.ChangeLineage(Guid.NewGuid());
        _source.CurrentEra = 2;

        ImageManifest image = _repository.Backup(_source, BackupKind.Full);

        Assert.Null(image.Parent);
        Assert.Equal(-1, _repository.Restore(image).FirstDifference(_source.Disk));
    }

    private void AssertRefused(string because, ModelSource? source = null)
    {
        IReadOnlyList<uint> before = _repository.ImageNumbers();
        RepositoryException refusal = Assert.Throws<RepositoryException>(() => _repository.Backup(source ?? _source));
        Assert.Contains("do not belong together", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(because, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("--full", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(before, _repository.ImageNumbers());
    }
}
