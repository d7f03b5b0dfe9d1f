using System.Globalization;

namespace DmEra.Cli.Backups;

/// <summary>Amounts as people read them.</summary>
internal static class Amount
{
    /// <summary>As in <c>1.5 GiB</c>.</summary>
    public static string Bytes(long bytes)
    {
        string[] units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
        int unit = 0;
        double amount = bytes;
        while (amount >= 1024 && unit + 1 < units.Length)
        {
            amount /= 1024;
            unit++;
        }

        string number = unit == 0 || amount >= 100
            ? amount.ToString("F0", CultureInfo.InvariantCulture)
            : amount.ToString("F1", CultureInfo.InvariantCulture);
        return $"{number} {units[unit]}";
    }

    /// <summary>As in <c>1:02:03</c> or <c>0:04</c>.</summary>
    public static string Time(TimeSpan time) => time.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours}:{time.Minutes:D2}:{time.Seconds:D2}")
        : string.Create(CultureInfo.InvariantCulture, $"{time.Minutes}:{time.Seconds:D2}");

    /// <summary>As in <c>0.8 s</c> or <c>2:05</c>.</summary>
    public static string Seconds(double seconds) => seconds < 60
        ? string.Create(CultureInfo.InvariantCulture, $"{seconds:F1} s")
        : Time(TimeSpan.FromSeconds(seconds));
}
