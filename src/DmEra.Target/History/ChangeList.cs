using DmEra.Devices;
using DmEra.PersistentData.Blocks;

namespace DmEra.Target.History;

/// <summary>How a list of changed blocks is written down.</summary>
public enum ChangeListFormat
{
    /// <summary>As era_invalidate does: <c>&lt;block&gt;</c> and <c>&lt;range&gt;</c> elements.</summary>
    Xml,

    /// <summary>One object: what the list is about, and the ranges as pairs.</summary>
    Json,

    /// <summary>A line <c>BEGIN END</c> for each range.</summary>
    Ranges,
}

/// <summary>
/// The list of origin blocks that were written in an era or later, in the formats that programs read. Numbers are
/// blocks, ends of ranges are exclusive. Written while it is worked out: its length costs no memory.
/// </summary>
public static class ChangeList
{
    private const int SectorSize = 512;

    /// <summary>Writes the list of what was written in era <paramref name="since"/> or later.</summary>
    /// <exception cref="MetadataCorruptException">A piece of the metadata is damaged: the list breaks off.</exception>
    /// <exception cref="SnapshotDroppedException">It was read from a snapshot that is no longer held: the list is
    /// worthless.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    /// <exception cref="IOException"><paramref name="output"/> failed.</exception>
    public static void Write(Stream output, EraHistory history, uint since, ChangeListFormat format)
    {
        AsciiWriter text = new(output);
        IEnumerable<BlockRange> ranges = history.WrittenSince(since);
        switch (format)
        {
            case ChangeListFormat.Xml:
                WriteXml(text, ranges);
                break;
            case ChangeListFormat.Json:
                WriteJson(text, ranges, history, since);
                break;
            default:
                foreach (BlockRange range in ranges) Append(text, ""u8, range.Begin, " "u8, range.End, "\n"u8);
                break;
        }

        text.Flush();
    }

    private static void WriteXml(AsciiWriter text, IEnumerable<BlockRange> ranges)
    {
        text.Append("<blocks>\n"u8);
        foreach (BlockRange range in ranges)
        {
            // The blanks round the second = are era_invalidate's, and scripts match them.
            if (range.Count == 1) Append(text, "  <block block=\""u8, range.Begin, "\"/>\n"u8);
            else Append(text, "  <range begin=\""u8, range.Begin, "\" end = \""u8, range.End, "\"/>\n"u8);
        }

        text.Append("</blocks>\n"u8);
    }

    private static void WriteJson(AsciiWriter text, IEnumerable<BlockRange> ranges, EraHistory history, uint since)
    {
        Append(text, "{\"since\":"u8, since, ",\"currentEra\":"u8, history.CurrentEra, ",\"blockSize\":"u8);
        text.Append(history.DataBlockSize * (ulong)SectorSize);
        Append(text, ",\"blockCount\":"u8, history.NrBlocks, ",\"ranges\":["u8);
        bool isFirst = true;
        foreach (BlockRange range in ranges)
        {
            Append(text, isFirst ? "\n["u8 : ",\n["u8, range.Begin, ","u8, range.End, "]"u8);
            isFirst = false;
        }

        text.Append("\n]}\n"u8);
    }

    private static void Append(AsciiWriter text, ReadOnlySpan<byte> before, uint number, ReadOnlySpan<byte> after)
    {
        text.Append(before);
        text.Append(number);
        text.Append(after);
    }

    private static void Append(
        AsciiWriter text,
        ReadOnlySpan<byte> before,
        uint first,
        ReadOnlySpan<byte> between,
        uint second,
        ReadOnlySpan<byte> after)
    {
        Append(text, before, first, between);
        text.Append(second);
        text.Append(after);
    }
}
