using System.Globalization;

namespace DmEra.Target.Chronicles;

/// <summary>
/// The beginning of an era, told from all others of the same number: those of a machine that was cloned, or of metadata that
/// was put back from a copy and used again.
/// </summary>
/// <remarks>A device at rest has a mark whose second half is zeroes. What goes on from there, be it twice, as after a rollback of
/// everything or on two clones, has the first half in common, and a second one of its own: a copy made at rest is right for both, and one
/// that was made later for one of them only.</remarks>
/// <param name="Era">The number of the era that begins there.</param>
/// <param name="Mark">A random number that no other beginning has.</param>
public readonly record struct EraMark(uint Era, Guid Mark)
{
    private const char Separator = ':';
    private const int MarkBytes = 16;
    private const int HalfMark = MarkBytes / 2;

    /// <summary>Whether a history has this moment.</summary>
    /// <param name="known">The mark that the era has there; null: none.</param>
    public bool IsKnownAs(Guid? known) => known is Guid found && (found == Mark || RestBefore(found) == Mark);

    /// <summary>A mark for a device at rest.</summary>
    internal static Guid OfRest() => RestBefore(Guid.NewGuid());

    /// <summary>A mark for the era that begins after a rest.</summary>
    /// <param name="rest">The mark of the rest; null: it had none.</param>
    internal static Guid OfBeginning(Guid? rest)
    {
        Span<byte> mark = stackalloc byte[MarkBytes];
        Guid.NewGuid().TryWriteBytes(mark);
        if (rest is not Guid known) return new Guid(mark);
        Span<byte> first = stackalloc byte[MarkBytes];
        known.TryWriteBytes(first);
        first[..HalfMark].CopyTo(mark);
        return new Guid(mark);
    }

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

    private static Guid RestBefore(Guid beginning)
    {
        Span<byte> mark = stackalloc byte[MarkBytes];
        beginning.TryWriteBytes(mark);
        mark[HalfMark..].Clear();
        return new Guid(mark);
    }
}
