using DmEra.Target.Mapping;
using DmEra.Tools.Labels;

namespace DmEra.Cli.Serving;

/// <summary>The labels of a device in service, which may be given and taken away meanwhile. Those of other metadata are
/// not among them.</summary>
/// <param name="target">The device.</param>
/// <param name="log">Learns why there are none, when they cannot be read.</param>
internal sealed class DeviceLabels(EraTarget target, Action<string> log) : IEraLabels
{
    private string? _lastFault;

    /// <inheritdoc/>
    public IReadOnlyList<(string Label, uint Era)> Read()
    {
        try
        {
            LabelBook book = LabelBook.Read(target.Table.MetadataPath);
            return [.. book.Labels.Where(label => label.IsOf(target.Lineage)).Select(label => (label.Label, label.Era)).Reverse()];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Once: clients may ask as often as they like.
            if (!string.Equals(Interlocked.Exchange(ref _lastFault, fault.Message), fault.Message, StringComparison.Ordinal)) log(fault.Message);
            return [];
        }
    }
}
