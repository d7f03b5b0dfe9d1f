using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.Devices;
using DmEra.Devices.Binary;

namespace DmEra.Backup.Packs;

/// <summary>
/// Names a pack: the image it was written for, its number there, and the checksum of its header and directory. As
/// the directory holds the checksum of each record, the name vouches for every byte.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct PackName(Le32 Image, Le32 Sequence, ContentHash Directory)
{
    /// <summary>What the names of all packs begin with.</summary>
    public const string Prefix = "packs/";

    /// <summary>What the names of the packs written for an image begin with.</summary>
    public static string PrefixOf(uint image) => $"{Prefix}{image:D6}/";

    /// <summary>Reads the name of an object; false when it is no pack's.</summary>
    public static bool TryParse(string name, out PackName pack)
    {
        pack = default;
        string[] parts = name.Split('/', '-');
        if (parts is not [_, string image, string sequence, string hash]
            || !uint.TryParse(image, NumberStyles.None, CultureInfo.InvariantCulture, out uint imageNumber)
            || !uint.TryParse(sequence, NumberStyles.None, CultureInfo.InvariantCulture, out uint sequenceNumber)
            || !ContentHash.TryParse(hash, out ContentHash directory))
        {
            return false;
        }

        pack = new PackName(imageNumber, sequenceNumber, directory);
        return name.Equals(pack.ToString(), StringComparison.Ordinal);
    }

    /// <summary>The name of the object.</summary>
    public override string ToString() => $"{PrefixOf(Image)}{Sequence.Value:D8}-{Directory}";
}

/// <summary>What the records of a pack are.</summary>
internal enum PackKind : uint
{
    /// <summary>Content of the device, in ascending order of sectors.</summary>
    Content = 1,

    /// <summary>Pieces of maps, which say where content is.</summary>
    Index = 2,
}

/// <summary>How a record's bytes came to be.</summary>
internal enum RecordEncoding : uint
{
    /// <summary>As they were.</summary>
    Raw = 0,

    /// <summary>Compressed with Brotli.</summary>
    Brotli = 1,
}

/// <summary>Salt for the keys of one pack or document; all zeroes where nothing is encrypted.</summary>
[InlineArray(Size)]
internal struct Salt
{
    public const int Size = 32;

    private byte _first;
}

/// <summary>First 64 bytes of a pack; behind them its directory, then its records, back to back.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct PackHeader
{
    public const ulong ExpectedMagic = 0x6b63617020617265;   // "era pack"
    public const ushort SupportedVersion = 1;

    public Le64 Magic;
    public Le32 Version;
    public Le32 Kind;               // PackKind
    public Le32 IsEncrypted;        // 0 or 1
    public Le32 RecordCount;
    public Le64 RecordsLength;      // bytes of all records as stored
    public Salt Salt;
}

/// <summary>One record in the directory of a pack.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct RecordRow
{
    public Le64 FirstSector;        // content: of the device; a region's map: of the region; else 0
    public Le32 PlainLength;        // bytes before compression; content: a multiple of 512
    public Le32 StoredLength;       // bytes in the pack
    public Le32 StoredChecksum;     // raw CRC-32C of those
    public Le32 Encoding;           // RecordEncoding
    public ContentHash Content;     // of the bytes before compression

    /// <summary>The sector behind the last one, of a record of content.</summary>
    public readonly long EndSector => (long)FirstSector.Value + (PlainLength.Value / SectorSize);

    public const int SectorSize = Sector.Size;
}

/// <summary>Limits of the format.</summary>
internal static class PackLimits
{
    /// <summary>A pack is closed when its records are this long.</summary>
    public const int TargetLength = 4 << 20;

    /// <summary>Records in a pack.</summary>
    public const int Records = 4096;

    /// <summary>Content is cut at multiples of this, so that what is read again later is cut alike.</summary>
    public const int CellLength = 256 << 10;

    /// <summary>Sectors of a cell.</summary>
    public const int CellSectors = CellLength / RecordRow.SectorSize;

    /// <summary>Bytes of the largest record before compression: the map of a region in which every 4 KiB come
    /// from elsewhere.</summary>
    public const int RecordLength = 8 << 20;
}
