using DmEra.Target.Chronicles;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Chronicles;

/// <summary>Metadata or a chronicle that is another one than the last run left.</summary>
public sealed class ContinuityTests : ChronicledDevice
{
    [Fact]
    public void Numbers_that_are_used_again_after_metadata_was_put_back_get_other_marks()
    {
        Resume();
        Suspend();
        MetadataState copy = _metadata;
        Resume();
        Guid undone = Mark(2);
        Guid alsoUndone = Cross();
        Suspend();

        Restart();
        _metadata = copy;
        Resume();
        Assert.NotEqual(undone, Mark(2));
        Assert.NotEqual(alsoUndone, Cross());
        Assert.Null(_chronicle.MarkOf(1));
        Assert.Equal(2u, _chronicle.Gap);
        Assert.Contains("put back from a copy: it is at era 1, and era 3 had begun", Assert.Single(_log), StringComparison.Ordinal);
    }

    [Fact]
    public void Metadata_put_back_is_found_though_only_the_era_that_a_clean_stop_prepared_had_begun_since()
    {
        Resume();
        Suspend();
        MetadataState copy = _metadata;
        Resume();
        Guid undone = Mark(2);

        Restart();
        _metadata = copy;
        Resume();

        Assert.NotEqual(undone, Mark(2));
        Assert.Equal(2u, _chronicle.Gap);
    }

    [Fact]
    public void A_copy_made_while_the_last_era_was_still_open_is_found()
    {
        Resume();
        MetadataState copy = _metadata;
        Suspend();

        Restart();
        _metadata = copy;
        Resume();

        Assert.Contains("it is at era 1, and era 1 had ended", Assert.Single(_log), StringComparison.Ordinal);
        Assert.Equal(2u, _chronicle.Gap);
    }

    [Fact]
    public void A_machine_that_went_back_with_its_chronicle_goes_on_and_its_new_eras_are_new()
    {
        Resume();
        Guid kept = Suspend();
        MetadataState copy = _metadata;
        byte[] chronicle = CopyOfFile();
        Resume();
        Guid undone = Cross();
        Suspend();

        Restart();
        _metadata = copy;
        System.IO.File.WriteAllBytes(File, chronicle);
        Resume();

        Assert.True(new EraMark(2, kept).IsKnownAs(Mark(2)));
        Assert.NotEqual(undone, Cross());
        Assert.Empty(_log);
    }

    [Fact]
    public void A_chronicle_put_back_alone_knows_no_mark_of_the_eras_that_it_missed()
    {
        Resume();
        byte[] chronicle = CopyOfFile();
        Guid early = Mark(1);
        Cross();
        Suspend();

        Restart();
        System.IO.File.WriteAllBytes(File, chronicle);
        Resume();

        Assert.Equal(early, Mark(1));
        Assert.Null(_chronicle.MarkOf(2));
        Assert.NotNull(_chronicle.MarkOf(3));
    }

    [Fact]
    public void Eras_of_the_kernel_have_no_mark_and_those_before_and_after_have()
    {
        Resume();
        Guid ours = Suspend();

        Restart();
        _metadata = new MetadataState(null, CurrentEra: 4, IsEraOpen: false);
        Resume();

        Assert.Equal(ours, Mark(2));
        Assert.Null(_chronicle.MarkOf(3));
        Assert.NotNull(_chronicle.MarkOf(5));

        Restart();
        Resume();
        Assert.NotNull(_chronicle.MarkOf(5));
        Assert.Empty(_log);
    }

    [Fact]
    public void Metadata_made_of_a_dump_at_the_same_era_is_not_taken_for_the_kernels()
    {
        Resume();
        Restart();
        _metadata = _metadata with { Lineage = null };
        Resume();

        Assert.Null(_chronicle.MarkOf(1));
        Assert.Equal(2u, _chronicle.Gap);
    }

    [Fact]
    public void Other_metadata_has_none_of_the_marks()
    {
        Resume();
        Restart();
        _metadata = new MetadataState(Guid.NewGuid(), CurrentEra: 9, IsEraOpen: false);
        Resume();

        Assert.Null(_chronicle.MarkOf(1));
        Assert.Equal(0u, _chronicle.Gap);
        Assert.Contains("other metadata", Assert.Single(_log), StringComparison.Ordinal);
    }
}
