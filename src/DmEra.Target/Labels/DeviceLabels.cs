using DmEra.Target.Chronicles;

namespace DmEra.Target.Labels;

/// <summary>The labels of a device in service, which may be given and taken away meanwhile. Those of other metadata, or of a
/// history that was undone, are not among them.</summary>
/// <param name="metadata">Path of its metadata.</param>
/// <param name="history">Its history as it is now.</param>
/// <param name="log">Learns why there are none, when they cannot be read.</param>
public sealed class DeviceLabels(string metadata, Func<HistoryIdentity> history, Action<string> log) : IEraLabels
{
    private string? _lastLine;

    /// <inheritdoc/>
    public IReadOnlyList<LabelledEra> Read()
    {
        try
        {
            HistoryIdentity now = history();
            IEnumerable<EraLabel> known = Open().Labels.Where(label => label.WhyNotOf(now) is null);
            return [.. known.Select(label => new LabelledEra(label.Label, label.Era, label.Mark)).Reverse()];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            LogOnce(fault.Message);
            return [];
        }
    }

    /// <inheritdoc/>
    public uint Find(string label) => Open().Find(label, history(), LogOnce);

    private LabelBook Open() => LabelBook.Read(metadata);

    // Clients may ask as often as they like.
    private void LogOnce(string line)
    {
        if (!string.Equals(Interlocked.Exchange(ref _lastLine, line), line, StringComparison.Ordinal)) log(line);
    }
}
