using System.Text;
using System.Text.Json;
using DmEra.Devices;
using DmEra.Tools.Check;

namespace DmEra.Cli.Offline;

/// <summary>The report of a check, for programs.</summary>
internal static class CheckJson
{
    public static void Write(CheckReport report, TextWriter output)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteBoolean("trustworthy", report.IsTrustworthy);
            if (report.IsSnapshotTrustworthy is bool snapshot) json.WriteBoolean("snapshotTrustworthy", snapshot);
            else json.WriteNull("snapshotTrustworthy");
            json.WriteNumber("damage", report.DamageCount);
            json.WriteNumber("leaks", report.LeakCount);
            json.WriteNumber("cosmetic", report.CosmeticCount);
            WriteFacts(json, report.Facts);
            json.WriteStartArray("faults");
            foreach (Fault fault in report.Faults) WriteFault(json, fault);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(bytes.ToArray()));
    }

    private static void WriteFacts(Utf8JsonWriter json, MetadataFacts? facts)
    {
        if (facts is null)
        {
            json.WriteNull("superblock");
            return;
        }

        json.WriteStartObject("superblock");
        json.WriteNumber("blockSize", facts.DataBlockSize * (long)Sector.Size);
        json.WriteNumber("blockCount", facts.NrBlocks);
        json.WriteNumber("currentEra", facts.CurrentEra);
        json.WriteBoolean("eraIsOpen", facts.HasOpenEra);
        if (facts.SnapshotBlock is ulong block) json.WriteNumber("snapshotBlock", block);
        else json.WriteNull("snapshotBlock");
        json.WriteNumber("metadataBlocksUsed", facts.MetadataBlocksUsed);
        json.WriteNumber("metadataBlocks", facts.MetadataBlocks);
        json.WriteEndObject();
    }

    private static void WriteFault(Utf8JsonWriter json, Fault fault)
    {
        json.WriteStartObject();
        json.WriteString("level", FaultText.Level(fault.Level));
        json.WriteString("place", fault.Place);
        json.WriteString("cause", fault.Cause);
        json.WriteStartArray("path");
        foreach (ulong block in fault.Path) json.WriteNumberValue(block);
        json.WriteEndArray();
        if (fault.Blocks is { } blocks) WriteRange(json, "blocks", "begin", blocks.Begin, "end", blocks.End);
        else json.WriteNull("blocks");
        if (fault.Eras is { } eras) WriteRange(json, "eras", "first", eras.First, "last", eras.Last);
        else json.WriteNull("eras");
        json.WriteBoolean("doubtsList", fault.InDoubt.HasFlag(ChangeLists.Live));
        json.WriteBoolean("doubtsSnapshotList", fault.InDoubt.HasFlag(ChangeLists.Snapshot));
        json.WriteEndObject();
    }

    private static void WriteRange(
        Utf8JsonWriter json, string name, string firstName, uint first, string lastName, uint last)
    {
        json.WriteStartObject(name);
        json.WriteNumber(firstName, first);
        json.WriteNumber(lastName, last);
        json.WriteEndObject();
    }
}
