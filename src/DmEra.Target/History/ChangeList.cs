using System.Runtime.CompilerServices;
using System.Text;
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
    /// <summary>Writes the list of what was written in era <paramref name="since"/> or later; an empty one when that has not
    /// begun: see <see cref="EraHistory.RequireBegun"/>.</summary>
    /// <exception cref="MetadataCorruptException">A piece of the metadata is damaged: the list breaks off.</exception>
    /// <exception cref="SnapshotDroppedException">It was read from a snapshot that is no longer held: the list is
    /// worthless.</exception>
    /// <exception cref="DeviceException">The metadata device failed.</exception>
    /// <exception cref="IOException"><paramref name="output"/> failed.</exception>
    /// <param name="output">Where to.</param>
    /// <param name="history">What is asked.</param>
    /// <param name="since">The era.</param>
    /// <param name="format">How.</param>
    /// <param name="mark">The mark of the current era's beginning, for JSON; null when it has none.</param>
    public static void Write(Stream output, EraHistory history, uint since, ChangeListFormat format, Guid? mark = null)
    {
        AsciiWriter text = new(output);
        WrittenRuns runs = history.FindWrittenSince(since);
        if (format == ChangeListFormat.Xml) WriteXml(text, runs);
        else if (format == ChangeListFormat.Json) WriteJson(text, runs, Subject(history, since, mark));
        else WriteRanges(text, runs);
        text.Flush();
    }

    // These loops are compiled once and for all: they end too soon for the runtime to find out that they are worth it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteXml(AsciiWriter text, WrittenRuns runs)
    {
        text.Append("<blocks>\n"u8);
        while (runs.FindMore())
        {
            foreach (BlockRange run in runs.Found)
            {
                // The blanks round the second = are era_invalidate's, and scripts match them.
                if (run.Count == 1) Append(text, "  <block block=\""u8, run.Begin, "\"/>\n"u8);
                else Append(text, "  <range begin=\""u8, run.Begin, "\" end = \""u8, run.End, "\"/>\n"u8);
            }
        }

        text.Append("</blocks>\n"u8);
    }

    private static string Subject(EraHistory history, uint since, Guid? mark) =>
        $"\"since\":{since},\"currentEra\":{history.CurrentEra},{(mark is null ? "" : $"\"mark\":\"{mark}\",")}"
            + $"\"blockSize\":{history.DataBlockSize * (long)Sector.Size},\"blockCount\":{history.NrBlocks}";

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteJson(AsciiWriter text, WrittenRuns runs, string subject)
    {
        text.Append(Encoding.ASCII.GetBytes($"{{{subject},\"ranges\":["));
        bool isFirst = true;
        while (runs.FindMore())
        {
            foreach (BlockRange run in runs.Found)
            {
                Append(text, isFirst ? "\n["u8 : ",\n["u8, run.Begin, ","u8, run.End, "]"u8);
                isFirst = false;
            }
        }

        text.Append("\n]}\n"u8);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteRanges(AsciiWriter text, WrittenRuns runs)
    {
        while (runs.FindMore())
        {
            foreach (BlockRange run in runs.Found) Append(text, ""u8, run.Begin, " "u8, run.End, "\n"u8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Append(AsciiWriter text, ReadOnlySpan<byte> before, uint number, ReadOnlySpan<byte> after)
    {
        text.Append(before);
        text.Append(number);
        text.Append(after);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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
