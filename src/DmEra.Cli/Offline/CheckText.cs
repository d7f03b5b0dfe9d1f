using DmEra.Devices;
using DmEra.Serving;
using DmEra.Tools.Check;

namespace DmEra.Cli.Offline;

/// <summary>The report of a check, for people.</summary>
internal static class CheckText
{
    public static void Write(string path, CheckReport report, TextWriter output)
    {
        foreach (Fault fault in report.Faults) output.WriteLine(FaultText.Line(fault));
        int omitted = report.DamageCount + report.LeakCount + report.CosmeticCount - report.Faults.Count;
        if (omitted > 0) output.WriteLine($"... and {omitted} more");
        if (report.Facts is MetadataFacts facts) output.WriteLine($"{path}: {Facts(facts)}");
        output.WriteLine($"{path}: {Verdict(report)}");
    }

    private static string Facts(MetadataFacts facts)
    {
        string era = facts.HasOpenEra ? $"era {facts.CurrentEra} is open" : $"era {facts.CurrentEra}";
        string snapshot = facts.SnapshotBlock is ulong block ? $", metadata snapshot in block {block}" : "";
        return $"{facts.NrBlocks} blocks of {ByteSize.Format(facts.DataBlockSize * (long)Sector.Size)}, {era}, "
            + $"{facts.MetadataBlocksUsed} of {facts.MetadataBlocks} metadata blocks in use{snapshot}";
    }

    private static string Verdict(CheckReport report)
    {
        List<string> counts = [];
        if (report.DamageCount > 0) counts.Add($"{report.DamageCount} damaged");
        if (report.LeakCount > 0) counts.Add(report.LeakCount == 1 ? "1 leak" : $"{report.LeakCount} leaks");
        if (report.CosmeticCount > 0) counts.Add($"{report.CosmeticCount} untidy");
        string verdict = counts.Count == 0 ? "whole" : string.Join(", ", counts);
        verdict += report.IsTrustworthy ? "; the list of changes is right" : "; the list of changes cannot be trusted";
        return report.IsSnapshotTrustworthy switch
        {
            null => verdict,
            true => $"{verdict}, that of the metadata snapshot is right",
            false => $"{verdict}, that of the metadata snapshot cannot be trusted",
        };
    }
}
