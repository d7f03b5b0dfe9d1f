using DmEra.Target.History;
using DmEra.Target.Mapping;
using DmEra.Tests.Golden;

namespace DmEra.Tests.Target.Mapping;

/// <summary>Metadata that the real kernel left behind is opened, run, and left in a state that others accept.</summary>
public class GoldenTargetTests
{
    public static TheoryData<string> Images => GoldenImage.All;

    [Theory, MemberData(nameof(Images))]
    public void Kernels_metadata_opens_runs_and_keeps_its_history(string name)
    {
        GoldenImage golden = GoldenImage.Load(name);
        using TempFolder folder = new();
        File.WriteAllBytes(folder["meta"], golden.Metadata);
        (uint blocks, uint blockSize, uint lastEra) = Shape(golden.Metadata);
        uint size = blocks == 0 ? 1024 : blocks;
        EraTable table = new(0, (long)size * blockSize, folder["meta"], folder.Sparse("origin", (long)size * blockSize * 512), blockSize);

        using (EraTarget target = EraTarget.Create(table, new EraTargetOptions()))
        {
            Assert.Equal(lastEra, target.Status.CurrentEra);
            target.Resume();
            Assert.Equal(lastEra + 1, target.Status.CurrentEra);
            target.Device.Write((size - 1) * table.BlockSizeBytes, new byte[512]);
            Assert.Equal(lastEra + 2, target.Checkpoint());

            using EraHistory history = target.OpenHistory();
            foreach ((uint era, IReadOnlyList<(uint Begin, uint End)> expected) in golden.WrittenSince())
            {
                if (era == 0 || blocks == 0) continue;
                HashSet<uint> written = Blocks(expected.Select(range => new BlockRange(range.Begin, range.End)));
                if (era <= lastEra + 1) written.Add(size - 1);
                Assert.Equal(written.Order(), Blocks(history.WrittenSince(era)).Order());
            }

            if (golden.HasSnapshot) target.DropMetadataSnapshot();
        }

        Oracle.Run("era_check", folder["meta"]).AssertSuccess();
    }

    private static HashSet<uint> Blocks(IEnumerable<BlockRange> ranges)
    {
        HashSet<uint> blocks = [];
        foreach (BlockRange range in ranges)
        {
            for (uint block = range.Begin; block < range.End; block++) blocks.Add(block);
        }

        return blocks;
    }

    private static (uint Blocks, uint BlockSize, uint Era) Shape(byte[] image) =>
        (BitConverter.ToUInt32(image, 180), BitConverter.ToUInt32(image, 172), BitConverter.ToUInt32(image, 184));
}
