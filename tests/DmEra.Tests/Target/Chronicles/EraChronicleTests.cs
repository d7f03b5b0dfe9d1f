using DmEra.Target.Chronicles;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Chronicles;

/// <summary>Marks of eras, in their file, through everything that a device does.</summary>
public sealed class EraChronicleTests : ChronicledDevice
{
    [Fact]
    public void Every_era_has_a_mark_of_its_own_that_outlasts_the_program()
    {
        Resume();
        Guid[] marks = [Mark(1), Cross(), Cross(), Suspend()];
        Assert.Equal(4, marks.Distinct().Count());

        Restart();
        Resume();

        Assert.Equal(marks[..3], new uint[] { 1, 2, 3 }.Select(Mark));
        Assert.True(new EraMark(4, marks[3]).IsKnownAs(Mark(4)));
        Assert.Null(_chronicle.MarkOf(0));
        Assert.Null(_chronicle.MarkOf(5));
        Assert.Empty(_log);
    }

    [Fact]
    public void The_moment_between_two_eras_has_a_mark_for_whoever_copies_then_that_the_next_run_knows()
    {
        Resume();
        Guid atRest = Suspend();
        Assert.Equal(new EraMark(2, atRest), Rest());

        Restart();
        Resume();

        Assert.True(new EraMark(2, atRest).IsKnownAs(Mark(2)));
    }

    [Fact]
    public void Of_two_runs_that_go_on_from_the_same_rest_each_knows_what_was_copied_then_and_nothing_of_the_other()
    {
        Resume();
        Guid atRest = Suspend();
        byte[] saved = CopyOfFile();
        MetadataState metadata = _metadata;
        Resume();
        Guid one = Mark(2);

        // A clone; or everything is rolled back.
        _chronicle.Dispose();
        System.IO.File.WriteAllBytes(File, saved);
        _metadata = metadata;
        Restart();
        Resume();
        Guid other = Mark(2);

        Assert.All([one, other], mark => Assert.True(new EraMark(2, atRest).IsKnownAs(mark)));
        Assert.False(new EraMark(2, one).IsKnownAs(other));
        Assert.False(new EraMark(2, other).IsKnownAs(one));
        Assert.False(new EraMark(2, one).IsKnownAs(atRest));
        Assert.Empty(_log);
    }

    [Fact]
    public void A_device_that_crashed_gets_a_mark_when_it_is_copied_and_goes_on_with_it()
    {
        Resume();
        Restart();      // era 1 is still open in the metadata
        EraMark copied = Rest()!.Value;
        Assert.Equal(2u, copied.Era);

        Restart();
        Resume();

        Assert.True(copied.IsKnownAs(Mark(2)));
        Assert.Empty(_log);
        Assert.Equal(0u, _chronicle.Gap);
    }
}
