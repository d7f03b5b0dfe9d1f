using DmEra.PersistentData.Bitsets;

namespace DmEra.Target.History;

/// <summary>A bit for each block of a window, and between which of them bits may be set: what lies outside is looked at by nobody.</summary>
/// <param name="count">Blocks in the longest window.</param>
internal sealed class WindowBits(int count)
{
    private readonly ulong[] _words = new ulong[(count + 63) / 64];

    /// <summary>The bits, the lowest of a word first.</summary>
    public ReadOnlySpan<ulong> Words => _words;

    /// <summary>No bit before this one is set.</summary>
    public int Begin { get; private set; }

    /// <summary>No bit from this one on is set.</summary>
    public int End { get; private set; }

    /// <summary>Begins with a window of which no bit is set.</summary>
    public void Clear()
    {
        _words.AsSpan((Begin / 64)..((End + 63) / 64)).Clear();
        Begin = End = 0;
    }

    /// <summary>The words, to set bits from <paramref name="begin"/> to <paramref name="end"/> in.</summary>
    public Span<ulong> Change(int begin, int end)
    {
        Begin = End == 0 ? begin : Math.Min(Begin, begin);
        End = Math.Max(End, end);
        return _words;
    }

    /// <summary>Sets bits in a row.</summary>
    public void Set(int begin, int end) => BlockBits.SetRun(Change(begin, end), begin, end);
}
