using DmEra.Target.Chronicles;

namespace DmEra.Tests.Target.Chronicles;

/// <summary>What is read beside a device, without changing anything.</summary>
public sealed class ChronicleReadingTests : ChronicledDevice
{
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
}
