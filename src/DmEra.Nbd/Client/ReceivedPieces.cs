namespace DmEra.Nbd.Client;

/// <summary>Which bytes of a read have come: in any order, but none twice and none missing in the end.</summary>
internal sealed class ReceivedPieces
{
    // Servers send pieces in order, or a few at a time out of it; one that leaves more gaps only wants memory.
    private const int MostGaps = 1024;

    private readonly List<(int Start, int End)> _pieces = [];       // ascending; none touches the next

    public void Clear() => _pieces.Clear();

    /// <summary>Whether all bytes up to a length have come, and no others.</summary>
    public bool IsWhole(int length) => length == 0 ? _pieces.Count == 0 : _pieces is [(0, int end)] && end == length;

    /// <summary>Adds a piece that is not empty.</summary>
    /// <returns>false when some of it is there already, or there are too many gaps.</returns>
    public bool TryAdd(int start, int end)
    {
        int next = _pieces.Count;
        while (next > 0 && _pieces[next - 1].Start >= start) next--;
        bool isBehind = next > 0 && _pieces[next - 1].End >= start;
        bool isBefore = next < _pieces.Count && _pieces[next].Start <= end;
        if ((isBehind && _pieces[next - 1].End > start) || (isBefore && _pieces[next].Start < end)) return false;
        if (isBefore)
        {
            end = _pieces[next].End;
            _pieces.RemoveAt(next);
        }

        if (isBehind) _pieces[next - 1] = (_pieces[next - 1].Start, end);
        else _pieces.Insert(next, (start, end));
        return _pieces.Count <= MostGaps;
    }
}
