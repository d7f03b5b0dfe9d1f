using DmEra.Devices;
using DmEra.Target.Mapping;
using DmEra.Tools.Labels;

namespace DmEra.Cli.Serving;

/// <summary>The labels of a device in service, which may be given and taken away meanwhile. Those of other metadata, or of a
/// history that was undone, are not among them.</summary>
/// <param name="target">The device.</param>
/// <param name="log">Learns why there are none, when they cannot be read.</param>
internal sealed class DeviceLabels(EraTarget target, Action<string> log) : IEraLabels
{
    private string? _lastLine;

    /// <inheritdoc/>
    public IReadOnlyList<LabelledEra> Read()
    {
        try
        {
            IEnumerable<EraLabel> known = Open().Labels.Where(label => label.WhyNotOf(target.History) is null);
            return [.. known.Select(label => new LabelledEra(label.Label, label.Era, label.Mark)).Reverse()];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            LogOnce(fault.Message);
            return [];
        }
    }

    /// <inheritdoc/>
    public uint Find(string label)
    {
        try { return Open().Find(label, target.History, LogOnce); }
        catch (LabelException fault) { throw new EraTargetException(fault.Message, Errno.EINVAL, fault); }
    }

    private LabelBook Open() => LabelBook.Read(target.Table.MetadataPath);

    // Clients may ask as often as they like.
    private void LogOnce(string line)
    {
        if (!string.Equals(Interlocked.Exchange(ref _lastLine, line), line, StringComparison.Ordinal)) log(line);
    }
}
