using DmEra.Target.History;
using DmEra.Tools.Check;

namespace DmEra.Cli.Offline;

/// <summary>What a check has found, in words.</summary>
internal static class FaultText
{
    /// <summary>One line for a fault.</summary>
    public static string Line(Fault fault)
    {
        string line = $"{Level(fault.Level)}: {fault.Place}, {Place(fault.Path)}: {fault.Cause}";
        if (fault.Blocks is BlockRange blocks) line += $"; {Blocks(blocks)}";
        if (fault.Eras is EraRange eras) line += eras.First == eras.Last ? $", era {eras.First}" : $", eras {eras.First} to {eras.Last}";
        return fault.InDoubt == ChangeLists.None ? line : $"{line}: {Doubt(fault.InDoubt)} in doubt";
    }

    /// <summary>The word for a level.</summary>
    public static string Level(FaultLevel level) => level switch
    {
        FaultLevel.Damage => "damage",
        FaultLevel.Leak => "leak",
        _ => "cosmetic",
    };

    /// <summary>A place in the metadata, as in "block 6 (0 > 5 > 6)".</summary>
    public static string Place(IReadOnlyList<ulong> path) =>
        path.Count == 1 ? $"block {path[0]}" : $"block {path[^1]} ({string.Join(" > ", path)})";

    /// <summary>Origin blocks, the last one included.</summary>
    public static string Blocks(BlockRange blocks) =>
        blocks.Count == 1 ? $"origin block {blocks.Begin}" : $"origin blocks {blocks.Begin} to {blocks.End - 1}";

    private static string Doubt(ChangeLists lists) => lists switch
    {
        ChangeLists.Live => "list of changes",
        ChangeLists.Snapshot => "snapshot's list of changes",
        _ => "both lists of changes",
    };
}
