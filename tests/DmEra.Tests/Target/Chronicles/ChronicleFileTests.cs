using DmEra.Devices;
using DmEra.Target.Chronicles;

namespace DmEra.Tests.Target.Chronicles;

/// <summary>The file: torn, damaged, in the way, or not to be had.</summary>
public sealed class ChronicleFileTests : ChronicledDevice
{
    public static TheoryData<int> SomeSeeds => Seeds.For(10);

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
}
