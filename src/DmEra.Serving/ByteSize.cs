using System.Globalization;

namespace DmEra.Serving;

/// <summary>Sizes as people type them: <c>64K</c>, <c>1M</c>, <c>1G</c>, <c>1T</c> (powers of 1024), plain bytes,
/// or sectors of 512 bytes, <c>128s</c>.</summary>
public static class ByteSize
{
    /// <summary>Bytes in a sector.</summary>
    public const int Sector = Devices.Sector.Size;

    /// <summary>Reads a size of at least one byte.</summary>
    public static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        if (text.Length == 0) return false;
        long unit = text[^1] switch
        {
            'K' or 'k' => 1L << 10,
            'M' or 'm' => 1L << 20,
            'G' or 'g' => 1L << 30,
            'T' or 't' => 1L << 40,
            's' => Sector,
            _ => 1,
        };
        ReadOnlySpan<char> digits = unit == 1 ? text : text.AsSpan(0, text.Length - 1);
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long count)) return false;
        if (count == 0 || count > long.MaxValue / unit) return false;
        bytes = count * unit;
        return true;
    }

    /// <summary>The shortest way to type a size.</summary>
    public static string Format(long bytes)
    {
        const string Units = "KMGT";
        int unit = 0;
        while (unit < Units.Length && bytes % 1024 == 0 && bytes != 0)
        {
            bytes /= 1024;
            unit++;
        }

        return unit == 0 ? $"{bytes}" : $"{bytes}{Units[unit - 1]}";
    }
}
