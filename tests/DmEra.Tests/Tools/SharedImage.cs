using DmEra.Devices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Arrays;
using DmEra.PersistentData.Bitsets;
using DmEra.PersistentData.Building;
using DmEra.Tools.Writing;

namespace DmEra.Tests.Tools;

/// <summary>Metadata of large devices of which little was written, so that most of its array blocks are shared; and what it says.</summary>
internal sealed class SharedImage
{
    public const uint CurrentEra = 9;

    private SharedImage(uint nrBlocks) => Eras = new uint[nrBlocks];

    /// <summary>The era of each block's last write.</summary>
    public uint[] Eras { get; }

    /// <summary>The metadata.</summary>
    public MemoryBlockDevice Device { get; } = new(0);

    /// <summary>Makes metadata at random: stretches of one era, single writes, writesets that are empty, full here and there, or marked
    /// at single blocks.</summary>
    public static SharedImage Make(uint nrBlocks, int seed)
    {
        SharedImage image = new(nrBlocks);
        Random random = new(seed);
        MetadataBuilder builder = MetadataBuilder.Create(image.Device, new EraGeometry(8, nrBlocks, CurrentEra));
        Array.Fill(image.Eras, (uint)random.Next(2));
        for (int i = random.Next(6); i > 0; i--) Fill(image.Eras, random, 300_000, (uint)random.Next(6));
        for (int i = random.Next(30); i > 0; i--) Fill(image.Eras, random, 2, (uint)random.Next(6));
        uint perBlock = (uint)ArrayShape.ValuesPerBlock<Le32>();
        for (uint block = 0; block < nrBlocks; block++) builder.EraArray.Block(block / perBlock)[(int)(block % perBlock)] = image.Eras[block];
        for (uint era = 6; era <= CurrentEra; era++) image.AddWriteset(builder.BeginWriteset(era, nrBlocks), era, random);
        builder.Commit();
        return image;
    }

    /// <summary>The runs of blocks written in an era or later.</summary>
    public IEnumerable<(uint Begin, uint End)> WrittenSince(uint era)
    {
        for (int begin = 0; begin < Eras.Length;)
        {
            int end = begin;
            while (end < Eras.Length && Eras[end] >= era) end++;
            if (end > begin) yield return ((uint)begin, (uint)end);
            begin = end + 1;
        }
    }

    private void AddWriteset(ArrayBuilder<Le64> words, uint era, Random random)
    {
        uint[] marks = new uint[Eras.Length];
        for (int i = random.Next(3); i > 0; i--) Fill(marks, random, 200_000, era);
        for (int i = random.Next(10); i > 0; i--) Fill(marks, random, 2, era);
        for (uint block = 0; block < marks.Length; block++)
        {
            if (marks[block] == 0) continue;
            ref Le64 word = ref words.Block(block / PersistentBitset.BitsPerBlock)[(int)(block % PersistentBitset.BitsPerBlock / 64)];
            word = word | (1UL << (int)(block % 64));
            Eras[block] = era;
        }
    }

    private static void Fill(uint[] eras, Random random, int longest, uint era)
    {
        int begin = random.Next(eras.Length);
        eras.AsSpan(begin, Math.Min(random.Next(1, longest), eras.Length - begin)).Fill(era);
    }
}
