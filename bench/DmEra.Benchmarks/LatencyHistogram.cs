namespace DmEra.Benchmarks;

/// <summary>Counts how long things took, to the microsecond, without slowing them down.</summary>
internal sealed class LatencyHistogram
{
    private readonly int[] _counts = new int[1 << 20];      // those beyond a second count as one

    /// <summary>How many there were.</summary>
    public int Count { get; private set; }

    /// <summary>The longest, in microseconds.</summary>
    public double Most { get; private set; }

    /// <summary>Adds one.</summary>
    public void Add(TimeSpan latency)
    {
        double microseconds = latency.TotalMicroseconds;
        _counts[(int)Math.Min(microseconds, _counts.Length - 1)]++;
        Count++;
        Most = Math.Max(Most, microseconds);
    }

    /// <summary>The time, in microseconds, that this share of them did not exceed.</summary>
    /// <param name="percent">The share.</param>
    public int Percentile(double percent)
    {
        double below = Count * percent / 100, sum = 0;
        int at = 0;
        while ((sum += _counts[at]) < below) at++;
        return at;
    }

    /// <summary>How many took at least so many microseconds.</summary>
    public int CountOver(int microseconds) => _counts.AsSpan(microseconds).ToArray().Sum();
}
