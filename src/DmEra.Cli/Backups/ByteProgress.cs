using System.Globalization;
using DmEra.Cli.Offline;

namespace DmEra.Cli.Backups;

/// <summary>Shows on a terminal how far something is, how fast, and how long it will take. Any thread may report.</summary>
internal sealed class ByteProgress : IProgress<long>, IDisposable
{
    private readonly ProgressBar? _bar;
    private long _done;

    /// <summary>Begins.</summary>
    /// <param name="terminal">Where to; null for nowhere.</param>
    /// <param name="total">Bytes in all; 0 when that is not known.</param>
    /// <param name="time">The clock.</param>
    public ByteProgress(TextWriter? terminal, long total, TimeProvider time)
    {
        if (terminal is null) return;
        long start = time.GetTimestamp();
        _bar = new ProgressBar(
            terminal, () => Describe(Interlocked.Read(ref _done), total, time.GetElapsedTime(start)));
    }

    /// <summary>True when progress can be seen, and is wanted.</summary>
    public static bool IsShown(bool isQuiet, TextWriter error) =>
        !isQuiet && !Console.IsErrorRedirected && error == Console.Error;

    /// <inheritdoc/>
    public void Report(long value) => Interlocked.Exchange(ref _done, value);

    /// <inheritdoc/>
    public void Dispose() => _bar?.Dispose();

    /// <summary>As in <c>[####      ] 41 % of 2.0 GiB, 310 MiB/s, 0:04 left</c>.</summary>
    internal static string Describe(long done, long total, TimeSpan elapsed)
    {
        double rate = done / Math.Max(elapsed.TotalSeconds, 0.001);
        string speed = $"{Amount.Bytes((long)rate)}/s";
        if (total <= 0) return $"{Amount.Bytes(done)}, {speed}";
        double left = Math.Min(Math.Max(total - done, 0) / Math.Max(rate, 1), TimeSpan.FromDays(99).TotalSeconds);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{ProgressBar.Render((double)done / total)} of {Amount.Bytes(total)}, {speed}, {Amount.Time(TimeSpan.FromSeconds(left))} left");
    }
}
