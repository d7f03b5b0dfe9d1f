using DmEra.Tools.Repair;

namespace DmEra.Cli.Offline;

/// <summary>What a repair could not save, in words.</summary>
internal static class RepairText
{
    /// <summary>A line for each loss, and one for all of them; none when nothing was lost.</summary>
    public static IEnumerable<string> Lines(RepairReport report)
    {
        foreach (Loss loss in report.Losses)
        {
            string blocks = loss.Blocks.Count == 0 ? "" : $"; {FaultText.Blocks(loss.Blocks)}";
            yield return $"lost: {loss.Place}, {FaultText.Place(loss.Path)}: {loss.Cause}{blocks}";
        }

        if (report.LossCount > report.Losses.Count) yield return $"lost: {report.LossCount - report.Losses.Count} pieces more";
        if (report.LossCount > 0)
        {
            yield return $"{report.BlocksAssumedWritten} of {report.Geometry.NrBlocks} blocks count as written in era "
                + $"{report.Geometry.CurrentEra}, because it is not known when they were";
        }
    }
}
