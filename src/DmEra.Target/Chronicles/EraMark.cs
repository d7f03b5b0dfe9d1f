using System.Globalization;

namespace DmEra.Target.Chronicles;

/// <summary>
/// The beginning of an era, told from all others of the same number: those of a machine that was cloned, or of metadata that
/// was put back from a copy and used again.
/// </summary>
/// <param name="Era">The number of the era that begins there.</param>
/// <param name="Mark">A random number that no other beginning has.</param>
public readonly record struct EraMark(uint Era, Guid Mark)
{
    private const char Separator = ':';

    /// <summary>Reads what <see cref="ToString"/> has written.</summary>
    public static bool TryParse(string text, out EraMark mark)
    {
        int separator = text.IndexOf(Separator, StringComparison.Ordinal);
        mark = default;
        if (separator < 0
            || !uint.TryParse(text.AsSpan(0, separator), NumberStyles.None, CultureInfo.InvariantCulture, out uint era)
            || !Guid.TryParseExact(text.AsSpan(separator + 1), "D", out Guid value))
        {
            return false;
        }

        mark = new EraMark(era, value);
        return true;
    }

    /// <summary><c>ERA:MARK</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Era}{Separator}{Mark:D}");
}
