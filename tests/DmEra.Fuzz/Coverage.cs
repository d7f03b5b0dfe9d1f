namespace DmEra.Fuzz;

/// <summary>What became of the inputs, summed over cases: a run that never got past the first check proves
/// nothing.</summary>
internal sealed class Coverage
{
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, long> Counts => _counts;

    public void Count(string what) => _counts[what] = _counts.GetValueOrDefault(what) + 1;

    public void Add(Coverage other)
    {
        foreach ((string what, long count) in other._counts) _counts[what] = _counts.GetValueOrDefault(what) + count;
    }
}
