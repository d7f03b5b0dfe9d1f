using DmEra.Devices;
using DmEra.Target.History;
using DmEra.Tests;
using DmEra.Tests.Golden;

namespace DmEra.EndToEnd.Kernel;

/// <summary>We open and run on every recorded state of the kernel's metadata.</summary>
public sealed class GoldenTests
{
    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void We_run_on_recorded_metadata_and_keep_every_mark(string name)
    {
        GoldenImage image = GoldenImage.Load(name);
        using TempFolder folder = new();
        File.WriteAllBytes(folder["meta"], image.Metadata);
        WriteLog log = new();
        uint blockCount = 1024;
        using (EraHistory history = EraHistory.Open(new MemoryBlockDevice(image.Metadata)))
        {
            if (!image.IsFormattedOnly) blockCount = history.NrBlocks;
            log.GoOnFrom(history.CurrentEra, blockCount);
        }

        using OurEra ours = new(folder["meta"], folder.Sparse("origin", blockCount * 65536L), log, blockCount);
        Assert.Equal(log.Era, ours.Status.CurrentEra);
        ours.Write(0, blockCount - 1);
        ours.Checkpoint();
        ours.Write(1);
        if (image.HasSnapshot) ours.DropMetadataSnapshot();
        ours.AwaitDigestion(folder["meta"]);
        ours.Remove();

        Oracle.EraCheck(folder["meta"]);
        foreach ((uint since, IReadOnlyList<(uint, uint)> written) in image.WrittenSince().Where(answer => answer.Key > 0))
        {
            IEnumerable<uint> expected = Oracle.Blocks(written).Union(log.WrittenSince(since)).Where(b => b < blockCount);
            Assert.Equal(expected.Order(), Oracle.Blocks(Oracle.EraInvalidate(folder["meta"], since)).Where(b => b < blockCount));
        }
    }
}
