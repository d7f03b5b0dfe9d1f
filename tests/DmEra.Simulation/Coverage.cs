namespace DmEra.Simulation;

/// <summary>What has been tried, summed over runs.</summary>
internal sealed class Coverage
{
    /// <summary>Moments and ways in which the power went.</summary>
    public long PowerCuts { get; set; }

    /// <summary>What happened how often, by its name.</summary>
    public SortedDictionary<string, long> Events { get; } = new(StringComparer.Ordinal);

    /// <summary>Counts one more.</summary>
    public void Count(string what) => Events[what] = Events.GetValueOrDefault(what) + 1;

    /// <inheritdoc/>
    public override string ToString() =>
        string.Join(Environment.NewLine, Events.Select(entry => $"{entry.Value,10} {entry.Key}"));
}
