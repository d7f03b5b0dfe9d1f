using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.Metadata;

namespace DmEra.Tests.Target.Chronicles;

/// <summary>Marks of eras, in their file, through everything that may happen to metadata between two runs.</summary>
public sealed class EraChronicleTests : IDisposable
{
    private static readonly Guid Lineage = Guid.NewGuid();
    private static readonly FileStamp Origin = new(Inode: 7, Length: 1 << 20, ModifiedNanoseconds: 1000);

    private const long Length = 5000;

    private readonly TempFolder _folder = new();
    private readonly List<string> _log = [];
    private MetadataState _metadata = new(Lineage, CurrentEra: 0, IsEraOpen: false);
    private EraChronicle _chronicle;

    public EraChronicleTests() => _chronicle = new EraChronicle(Metadata, _log.Add);

    public static TheoryData<int> SomeSeeds => Seeds.For(10);

    private string Metadata => _folder["disk.era"];

    private string File => EraChronicle.PathFor(Metadata);

    public void Dispose()
    {
        _chronicle.Dispose();
        _folder.Dispose();
    }

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

    [Theory]
    [InlineData(8ul, 1 << 20, 1000L, "it is another file")]
    [InlineData(7ul, 1 << 19, 1000L, "its size was 1048576 bytes and is 524288")]
    [InlineData(7ul, 1 << 20, 2000L, "it was written to at 1970-01-01 00:00:00 UTC")]
    [InlineData(7ul, 1 << 20, 500L, "it was written to at 1970-01-01 00:00:00 UTC")]
    public void An_origin_that_was_changed_at_rest_is_told_of_and_makes_a_gap(ulong inode, long length, long modified, string text)
    {
        Resume();
        Guid before = Cross();
        Guid atRest = Suspend();

        Restart();
        Resume(new FileStamp(inode, length, modified));

        Assert.Contains($"since era 2 ended ({text})", Assert.Single(_log), StringComparison.Ordinal);
        Assert.Equal(3u, _chronicle.Gap);
        Assert.Equal(before, Mark(2));
        Assert.False(new EraMark(3, atRest).IsKnownAs(Mark(3)));
        Cross();
        Assert.Equal(3u, _chronicle.Gap);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void An_origin_that_was_changed_after_a_start_that_let_nobody_in_is_told_of(int starts)
    {
        Resume();
        Suspend();
        for (int i = 0; i < starts; i++)
        {
            // The era is begun in the metadata, and ended again since that cannot be written down here.
            Restart();
            _chronicle.Open(_metadata, Origin);
            _metadata = _metadata with { CurrentEra = _metadata.CurrentEra + 1 };
        }

        Assert.Empty(_log);
        FileStamp changed = Origin with { ModifiedNanoseconds = 2000 };
        _chronicle.Dispose();
        using (ChronicleReading reading = ChronicleReading.Of(Metadata, _metadata, changed))
            Assert.Equal(_metadata.CurrentEra + 1, reading.Gap);

        uint gap = _metadata.CurrentEra + 1;
        Restart();
        Resume(changed);

        Assert.Equal(gap, _chronicle.Gap);
        Assert.Contains("since era 1 ended (it was written to at", Assert.Single(_log), StringComparison.Ordinal);
    }

    [Fact]
    public void The_length_of_the_device_is_known_when_it_is_next_opened()
    {
        Resume();
        Assert.Equal(0, _chronicle.KnownLength);
        Restart();
        _chronicle.Open(_metadata, Origin);
        Assert.Equal(Length, _chronicle.KnownLength);
        Suspend();
        Rest();
        Restart();
        _chronicle.Open(_metadata, Origin with { ModifiedNanoseconds = 7 });
        Assert.Equal(Length, _chronicle.KnownLength);
        Restart();
        _chronicle.Open(_metadata, Origin with { ModifiedNanoseconds = 7 });
        Assert.Equal(Length, _chronicle.KnownLength);

        Restart();
        _chronicle.Open(_metadata with { Lineage = Guid.NewGuid() }, Origin);
        Assert.Equal(0, _chronicle.KnownLength);
    }

    [Fact]
    public void A_link_in_its_place_is_neither_read_nor_written()
    {
        Resume();
        Restart();
        System.IO.File.Move(File, _folder["elsewhere"]);
        System.IO.File.CreateSymbolicLink(File, _folder["elsewhere"]);
        byte[] before = System.IO.File.ReadAllBytes(_folder["elsewhere"]);

        foreach (Action open in (Action[])[() => Resume(), () => ChronicleReading.Of(Metadata, _metadata).Dispose()])
        {
            Assert.Contains(
                $"{File}: must be a file, and no link to one", Assert.Throws<DeviceException>(open).Message, StringComparison.Ordinal);
        }

        Assert.Equal(before, System.IO.File.ReadAllBytes(_folder["elsewhere"]));
    }

    [Fact]
    public void A_pipe_in_its_place_keeps_nobody_waiting()
    {
        Oracle.Run("mkfifo", File).AssertSuccess();

        Assert.Throws<DeviceException>(() => Resume());
        Assert.Throws<DeviceException>(() => ChronicleReading.Of(Metadata, _metadata).Dispose());
    }

    [Fact]
    public void Nothing_is_said_of_an_origin_after_a_crash_nor_of_one_that_is_no_file()
    {
        Resume();
        Restart();
        Resume(Origin with { ModifiedNanoseconds = 5000 });
        _chronicle.Ended(2, new FileStamp(0, 10, 0), Length);
        _metadata = _metadata with { IsEraOpen = false };
        Restart();
        Resume(new FileStamp(0, 20, 0));

        Assert.Empty(_log);
    }

    [Theory]
    [InlineData(24)]
    [InlineData(63)]
    [InlineData(64)]
    public void A_record_torn_by_a_power_failure_is_none(int lost)
    {
        Resume();
        Guid first = Mark(1);
        Cross();
        Restart();
        byte[] bytes = System.IO.File.ReadAllBytes(File);
        bytes.AsSpan((3 * 64) - lost, lost).Clear();
        System.IO.File.WriteAllBytes(File, bytes[..((3 * 64) - (lost / 2))]);

        Resume();

        Assert.Equal(first, Mark(1));
        Assert.Null(_chronicle.MarkOf(2));
        Assert.NotNull(_chronicle.MarkOf(3));
    }

    [Theory, MemberData(nameof(SomeSeeds))]
    public void A_damaged_record_hides_marks_and_never_tells_a_wrong_one(int seed)
    {
        Resume();
        Guid[] marks = [Mark(1), .. Enumerable.Range(0, 30).Select(_ => Cross())];
        Restart();
        byte[] bytes = System.IO.File.ReadAllBytes(File);
        Random random = new(seed);
        for (int i = 0; i < 5; i++) bytes[64 + random.Next(31 * 64)] ^= 1;
        System.IO.File.WriteAllBytes(File, bytes);
        Resume();

        for (uint era = 1; era <= marks.Length; era++)
            Assert.Contains(_chronicle.MarkOf(era), (Guid?[])[null, marks[era - 1]]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("something else that is longer than the sixty-four bytes of the beginning of a chronicle")]
    public void A_file_that_is_no_chronicle_is_replaced_and_said_to_be_damaged(string content)
    {
        System.IO.File.WriteAllText(File, content);
        Resume();

        Assert.NotNull(_chronicle.MarkOf(1));
        Assert.Contains("damaged", Assert.Single(_log), StringComparison.Ordinal);
    }

    [Fact]
    public void A_chronicle_that_cannot_be_opened_again_is_a_fault_and_has_no_marks_until_it_can()
    {
        Resume();
        System.IO.File.Move(File, _folder["aside"]);
        Oracle.Run("mkfifo", [File]).AssertSuccess();

        Assert.Throws<DeviceException>(() => _chronicle.Open(_metadata, Origin));
        Assert.Null(_chronicle.MarkOf(1));
        Assert.Equal(0u, _chronicle.Gap);

        System.IO.File.Move(_folder["aside"], File, overwrite: true);
        Resume();
        Assert.NotNull(_chronicle.MarkOf(1));
    }

    [Fact]
    public void Where_no_file_can_be_made_there_are_no_marks_and_it_is_said()
    {
        _chronicle = new EraChronicle("/proc/none", _log.Add);
        Resume();

        Assert.Null(_chronicle.MarkOf(1));
        Assert.Contains("/proc/none.chronicle: cannot be made", Assert.Single(_log), StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_sees_what_the_next_run_would_find_and_changes_nothing()
    {
        Resume();
        Guid first = Mark(1);
        Guid atRest = Suspend();
        Restart();
        byte[] bytes = System.IO.File.ReadAllBytes(File);

        using (ChronicleReading same = ChronicleReading.Of(Metadata, _metadata, Origin))
            Assert.Equal((first, atRest, 0u, null), (same.MarkOf(1), same.MarkOf(2), same.Gap, same.Remark));
        using (ChronicleReading changed = ChronicleReading.Of(Metadata, _metadata, Origin with { Inode = 9 }))
        {
            Assert.Equal((first, null, 2u), (changed.MarkOf(1), changed.MarkOf(2), changed.Gap));
            Assert.Contains("another file", changed.Remark, StringComparison.Ordinal);
        }

        using (ChronicleReading older = ChronicleReading.Of(Metadata, _metadata with { CurrentEra = 0 }))
        {
            Assert.Equal((null, 1u), (older.MarkOf(1), older.Gap));
            Assert.Contains("put back from a copy", older.Remark, StringComparison.Ordinal);
        }

        Assert.Equal(bytes, System.IO.File.ReadAllBytes(File));
    }

    [Theory]
    [InlineData("7:59f04cd3-dc06-4352-847f-3c83cfc2dcf9", true)]
    [InlineData("7", false)]
    [InlineData("7:", false)]
    [InlineData(":59f04cd3-dc06-4352-847f-3c83cfc2dcf9", false)]
    [InlineData("-7:59f04cd3-dc06-4352-847f-3c83cfc2dcf9", false)]
    [InlineData("7:30 backup", false)]
    public void A_mark_is_written_as_its_era_and_its_number(string text, bool isMark)
    {
        Assert.Equal(isMark, EraMark.TryParse(text, out EraMark mark));
        if (isMark) Assert.Equal(text, mark.ToString());
    }

    private Guid Mark(uint era) => Assert.NotNull(_chronicle.MarkOf(era));

    // As cp makes it, whoever has it open.
    private byte[] CopyOfFile()
    {
        using FileBlockDevice file = FileBlockDevice.OpenShared(File);
        byte[] bytes = new byte[file.Length];
        file.Read(0, bytes);
        return bytes;
    }

    private void Restart()
    {
        _chronicle.Dispose();
        _chronicle = new EraChronicle(Metadata, _log.Add);
    }

    private EraMark? Rest()
    {
        using EraChronicle backup = new(Metadata, _log.Add);
        _chronicle.Dispose();
        return backup.MarkRest(_metadata, Origin);
    }

    private void Resume(FileStamp? origin = null)
    {
        _chronicle.Open(_metadata, origin ?? Origin);
        _metadata = _metadata with { CurrentEra = _metadata.CurrentEra + 1, IsEraOpen = true };
        _chronicle.Begun(_metadata.CurrentEra, origin ?? Origin, Length);
    }

    private Guid Cross()
    {
        _metadata = _metadata with { CurrentEra = _metadata.CurrentEra + 1 };
        _chronicle.Begun(_metadata.CurrentEra, Origin, Length);
        return Mark(_metadata.CurrentEra);
    }

    private Guid Suspend()
    {
        _metadata = _metadata with { IsEraOpen = false };
        _chronicle.Ended(_metadata.CurrentEra, Origin, Length);
        return Mark(_metadata.CurrentEra + 1);
    }
}
