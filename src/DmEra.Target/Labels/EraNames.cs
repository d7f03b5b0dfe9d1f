using System.Globalization;
using DmEra.Target.Chronicles;
using DmEra.Target.Metadata;

namespace DmEra.Target.Labels;

/// <summary>Eras as people call them: by number, by number and mark, or by label.</summary>
public static class EraNames
{
    /// <summary>The era that is meant, of metadata that no program of ours runs.</summary>
    /// <param name="name">A number, <c>ERA:MARK</c> or a label.</param>
    /// <param name="metadata">Path of the metadata, beside which labels and marks are kept.</param>
    /// <param name="state">Where its history stands.</param>
    /// <param name="remark">Is told, as a line, what was not checked.</param>
    /// <exception cref="LabelException">It is no number, and nothing of this history.</exception>
    public static uint Find(string name, string metadata, MetadataState state, Action<string> remark)
    {
        if (uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint era)) return era;
        using ChronicleReading marks = ChronicleReading.Of(metadata, state, DefaultMetadata.OriginOf(metadata));
        HistoryIdentity history = new(state.Lineage, state.CurrentEra, marks.Gap, marks.MarkOf);
        if (!EraMark.TryParse(name, out EraMark moment))
            return LabelBook.Read(metadata).Find(name, history, remark);
        return history.WhyUnknown(moment) is string why ? throw new LabelException($"{name}: {why}") : moment.Era;
    }
}
