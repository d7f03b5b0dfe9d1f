namespace DmEra.Simulation;

/// <summary>What has been tried, summed over runs.</summary>
internal sealed class Coverage
{
    /// <summary>Moments and ways in which the power went.</summary>
    public long PowerCuts { get; set; }

    /// <summary>Lives in which some fault was due, by its kind.</summary>
    public SortedDictionary<string, long> Faults { get; } = [];

    /// <summary>Counts one more.</summary>
    public void Count(string fault) => Faults[fault] = Faults.GetValueOrDefault(fault) + 1;
}
