using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Building;
using DmEra.Tools.Writing;

namespace DmEra.Benchmarks;

/// <summary>Makes the metadata that bench/tools.sh has the tools read: 30 % of the blocks with eras from 1 to 200, well
/// scattered, and 8 undigested writesets of 1 % each. Always the same.</summary>
internal static class ToolsMetadata
{
    private const uint LatestDigestedEra = 200;
    private const uint Writesets = 8;
    private const double Written = 0.3;
    private const double Marked = 0.01;

    public static int Run(string path, uint nrBlocks)
    {
        Write(path, nrBlocks, Writesets);
        return 0;
    }

    /// <summary>Makes a file.</summary>
    public static void Write(string path, uint nrBlocks, uint writesets)
    {
        File.WriteAllBytes(path, []);
        using FileBlockDevice device = FileBlockDevice.Open(path);
        MetadataBuilder builder = MetadataBuilder.Create(device, new EraGeometry(128, nrBlocks, LatestDigestedEra + writesets));
        Random random = new(1);
        for (uint block = 0; block < nrBlocks; block++)
        {
            if (random.NextDouble() >= Written) continue;
            uint perBlock = (uint)ArrayShape.ValuesPerBlock<Le32>();
            builder.EraArray.Block(block / perBlock)[(int)(block % perBlock)] = (uint)random.Next(1, (int)LatestDigestedEra + 1);
        }

        for (uint era = LatestDigestedEra + 1; era <= LatestDigestedEra + writesets; era++)
            Mark(builder.BeginWriteset(era, nrBlocks), nrBlocks, random);
        builder.Commit();
    }

    private static void Mark(ArrayBuilder<Le64> words, uint nrBlocks, Random random)
    {
        uint perBlock = (uint)ArrayShape.ValuesPerBlock<Le64>();
        for (uint block = 0; block < nrBlocks; block++)
        {
            if (random.NextDouble() >= Marked) continue;
            ref Le64 word = ref words.Block(block / 64 / perBlock)[(int)(block / 64 % perBlock)];
            word = word | (1UL << (int)(block % 64));
        }
    }
}
