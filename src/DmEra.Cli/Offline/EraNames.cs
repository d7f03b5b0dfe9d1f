using System.Globalization;
using DmEra.Target.History;
using DmEra.Tools.Labels;

namespace DmEra.Cli.Offline;

/// <summary>Eras as people call them: by number or by label.</summary>
internal static class EraNames
{
    /// <summary>The era that is meant.</summary>
    /// <param name="name">A number or a label.</param>
    /// <param name="metadata">Path of the metadata, beside which labels are kept.</param>
    /// <param name="lineage">Identifies the metadata; null when that is not known.</param>
    /// <param name="currentEra">The metadata's.</param>
    /// <exception cref="LabelException">It is no number, and no label of this metadata.</exception>
    public static uint Find(string name, string metadata, Guid? lineage, uint currentEra) =>
        TryParse(name, out uint era) ? era : LabelBook.Read(metadata).Find(name, lineage, currentEra);

    /// <summary>As <see cref="Find(string, string, Guid?, uint)"/>, of metadata that is open.</summary>
    public static uint Find(string name, string metadata, EraHistory history) =>
        Find(name, metadata, history.Lineage, history.CurrentEra);

    /// <summary>Reads a number.</summary>
    public static bool TryParse(string name, out uint era) =>
        uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out era);
}
