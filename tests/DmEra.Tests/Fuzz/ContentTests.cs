using DmEra.Fuzz.Content;
using static DmEra.Fuzz.Content.MetadataFormat;

namespace DmEra.Tests.Fuzz;

/// <summary>The writer and the reader that metadata with shared leaves is made and judged with.</summary>
public sealed class ContentTests
{
    public static TheoryData<string> Contents => [.. EqualLeaves.Names];

    [Theory, MemberData(nameof(Contents))]
    public void What_is_written_is_read_again_shared_or_not_and_era_dump_reads_the_same(string name)
    {
        EraContent content = EqualLeaves.Get(name);
        using TempFolder folder = new();
        string shared = ContentWriter.Write(content, isShared: true, spareBlocks: 100, dataBlockSectors: 8).Save(folder["shared"]);
        string plain = ContentWriter.Write(content, isShared: false, spareBlocks: 100, dataBlockSectors: 8).Save(folder["plain"]);
        ContentReader few = ContentReader.Read(shared), many = ContentReader.Read(plain);

        AssertSame(content, few.Content);
        AssertSame(content, many.Content);
        Assert.True(few.UsedBlocks * 3 < many.UsedBlocks, $"{few.UsedBlocks} blocks instead of {many.UsedBlocks}");
        Assert.Equal(few.UsedBlocks + 100, few.TotalBlocks);
        Oracle.EraCheck(shared);
        Assert.Equal(Oracle.EraDump(plain), Oracle.EraDump(shared));
    }

    [Fact]
    public void The_reader_finds_every_count_that_is_one_too_high_or_too_low()
    {
        EraContent content = EqualLeaves.Get("a metadata snapshot");
        byte[] image = ContentWriter.Write(content, isShared: true, spareBlocks: 10, dataBlockSectors: 8).ToArray();
        ulong used = ContentReader.Read(new MemoryStream(image)).UsedBlocks;
        ulong index = U64(image, 60);
        int bitmap = (int)U64(image, ((int)index * BlockSize) + 16) * BlockSize;

        for (int block = 0; block < (int)used + 10; block++)
        {
            foreach (int bit in (int[])[1, 2])
            {
                byte[] changed = [.. image];
                changed[bitmap + 16 + (block / 4)] ^= (byte)(bit << (block % 4 * 2));
                Put32(changed, bitmap, Checksum(changed.AsSpan(bitmap, BlockSize), BitmapSalt));
                Assert.Throws<InvalidDataException>(() => ContentReader.Read(new MemoryStream(changed)));
            }
        }
    }

    private static void AssertSame(EraContent expected, EraContent actual)
    {
        Assert.Equal((expected.CurrentEra, expected.NrBlocks), (actual.CurrentEra, actual.NrBlocks));
        Assert.Equal(expected.EraArray.Runs, actual.EraArray.Runs);
        Assert.Equal(expected.Archived.Keys, actual.Archived.Keys);
        foreach ((uint era, EraRuns marked) in expected.Archived)
        {
            Assert.Equal(marked.Length, actual.Archived[era].Length);
            Assert.Equal(marked.Runs, actual.Archived[era].Runs);
        }

        Assert.Equal(expected.Open?.Runs, actual.Open?.Runs);
        if (expected.Snapshot is null) Assert.Null(actual.Snapshot);
        else AssertSame(expected.Snapshot, actual.Snapshot!);
    }
}
