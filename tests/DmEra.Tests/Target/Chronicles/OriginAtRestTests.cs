using DmEra.Devices;
using DmEra.Target.Chronicles;

namespace DmEra.Tests.Target.Chronicles;

/// <summary>What is noted of the origin when an era ends, and compared when the device goes on.</summary>
public sealed class OriginAtRestTests : ChronicledDevice
{
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
}
