using System.Globalization;
using System.Text;
using DmEra.Devices;

namespace DmEra.Target.Mapping;

/// <summary>
/// The table line of an era device, as dmsetup knows it:
/// <c>START LENGTH era METADATA ORIGIN BLOCK_SIZE</c>, all numbers in sectors. Immutable; what it holds has been
/// checked as far as that is possible without opening a device.
/// </summary>
public sealed class EraTable
{
    /// <summary>Bytes in a sector, the unit of tables.</summary>
    public const int SectorSize = Sector.Size;

    /// <summary>Block sizes are multiples of this (kernel: <c>MIN_BLOCK_SIZE</c>).</summary>
    public const uint SmallestBlockSectors = 8;

    /// <summary>The format counts origin blocks in 31 bits.</summary>
    public const long MaxBlocks = int.MaxValue;

    private const string TargetName = "era";
    private const long MaxSectors = long.MaxValue / SectorSize;

    /// <summary>Checks and takes the values.</summary>
    /// <param name="startSectors">Where the target begins in its table.</param>
    /// <param name="lengthSectors">Its length, more than 0.</param>
    /// <param name="metadataPath">The metadata device: a file or a block node.</param>
    /// <param name="originPath">The device whose writes are tracked.</param>
    /// <param name="blockSizeSectors">The origin block: a multiple of 8 sectors.</param>
    /// <exception cref="EraTargetException">EINVAL, with the kernel's text.</exception>
    public EraTable(
        long startSectors, long lengthSectors, string metadataPath, string originPath, uint blockSizeSectors)
    {
        if (startSectors < 0 || lengthSectors <= 0 || startSectors > MaxSectors - lengthSectors)
            throw Invalid($"Invalid target length: {lengthSectors} sectors from sector {startSectors} on");
        if (blockSizeSectors == 0 || blockSizeSectors % SmallestBlockSectors != 0)
        {
            throw Invalid($"Invalid block size: {blockSizeSectors} sectors; "
                + "it must be a multiple of 8 sectors (4 KiB), and not 0");
        }

        StartSectors = startSectors;
        LengthSectors = lengthSectors;
        MetadataPath = metadataPath;
        OriginPath = originPath;
        BlockSizeSectors = blockSizeSectors;
    }

    /// <summary>Where the target begins in its table; the origin begins there as well.</summary>
    public long StartSectors { get; }

    /// <summary>Length of the device in sectors.</summary>
    public long LengthSectors { get; }

    /// <summary>The metadata device.</summary>
    public string MetadataPath { get; }

    /// <summary>The device whose writes are tracked.</summary>
    public string OriginPath { get; }

    /// <summary>Size of an origin block in sectors.</summary>
    public uint BlockSizeSectors { get; }

    /// <summary>Length of the device in bytes.</summary>
    public long LengthBytes => LengthSectors * SectorSize;

    /// <summary>Size of an origin block in bytes.</summary>
    public long BlockSizeBytes => (long)BlockSizeSectors * SectorSize;

    /// <summary>Origin blocks, the last of which may be partial. May exceed <see cref="MaxBlocks"/>: that is
    /// refused when the device is resumed, as the kernel does.</summary>
    public long BlockCount => ((LengthSectors - 1) / BlockSizeSectors) + 1;

    /// <summary>Reads a table line. A backslash takes the character behind it literally, as in dmsetup's tables, so
    /// that paths may hold blanks.</summary>
    /// <exception cref="EraTargetException">EINVAL, with the kernel's text.</exception>
    public static EraTable Parse(string line)
    {
        List<string> words = Split(line);
        if (words.Count < 3 || !TryParseSectors(words[0], out long start) || !TryParseSectors(words[1], out long length))
            throw Invalid($"Invalid table line '{line}': it must be START LENGTH era METADATA ORIGIN BLOCK_SIZE");
        if (!words[2].Equals(TargetName, StringComparison.Ordinal))
            throw Invalid($"Unknown target type '{words[2]}': this program has '{TargetName}' only");
        if (words.Count != 6)
        {
            throw Invalid($"Invalid argument count: {words.Count - 3} behind '{TargetName}', not 3 "
                + "(METADATA ORIGIN BLOCK_SIZE)");
        }

        return new EraTable(start, length, words[3], words[4], ParseBlockSize(words[5]));
    }

    /// <summary>The same table with another length.</summary>
    /// <exception cref="EraTargetException">EINVAL: the length is not more than 0.</exception>
    public EraTable WithLength(long lengthSectors) =>
        new(StartSectors, lengthSectors, MetadataPath, OriginPath, BlockSizeSectors);

    /// <summary>The table line, which <see cref="Parse"/> reads back.</summary>
    public override string ToString() =>
        $"{StartSectors} {LengthSectors} {TargetName} {Escape(MetadataPath)} {Escape(OriginPath)} {BlockSizeSectors}";

    // The kernel takes the number modulo 2^32; one that does not fit is refused here.
    private static uint ParseBlockSize(string word) =>
        uint.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out uint sectors)
            ? sectors
            : throw Invalid($"Error parsing block size: '{word}' is not a decimal number of sectors below 2^32");

    private static bool TryParseSectors(string word, out long sectors) =>
        long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out sectors);

    private static List<string> Split(string line)
    {
        List<string> words = [];
        StringBuilder word = new();
        bool inWord = false;
        for (int i = 0; i < line.Length; i++)
        {
            char next = line[i];
            if (char.IsWhiteSpace(next))
            {
                if (inWord) words.Add(word.ToString());
                word.Clear();
                inWord = false;
                continue;
            }

            if (next == '\\' && i + 1 < line.Length) next = line[++i];
            word.Append(next);
            inWord = true;
        }

        if (inWord) words.Add(word.ToString());
        return words;
    }

    private static string Escape(string path)
    {
        StringBuilder escaped = new();
        foreach (char next in path)
        {
            if (next == '\\' || char.IsWhiteSpace(next)) escaped.Append('\\');
            escaped.Append(next);
        }

        return escaped.ToString();
    }

    private static EraTargetException Invalid(string message) => new(message, Errno.EINVAL);
}
