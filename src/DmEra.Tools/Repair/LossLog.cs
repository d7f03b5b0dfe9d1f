using DmEra.Target.History;
using DmEra.Target.Metadata;
using DmEra.Tools.Check;

namespace DmEra.Tools.Repair;

/// <summary>Collects what could not be saved. What is lost for one reason comes in several windows, and makes one loss;
/// of endless ones it keeps the first thousand.</summary>
internal sealed class LossLog
{
    private const int MaxKept = 1000;

    private readonly List<Loss> _kept = [];
    private readonly Dictionary<string, int> _lastAt = new(StringComparer.Ordinal);     // of each place, among the kept

    /// <summary>The losses that were kept.</summary>
    public IReadOnlyList<Loss> Kept => _kept;

    /// <summary>All losses.</summary>
    public int Count { get; private set; }

    public void Add(LostPiece piece) =>
        Add(piece.Place, FaultLog.CauseOf(piece.Fault), [Superblock.Location, .. piece.Path], piece.Blocks);

    public void Add(string place, string cause, IReadOnlyList<ulong> path, BlockRange blocks)
    {
        if (_lastAt.TryGetValue(place, out int at) && _kept[at] is Loss last && last.Blocks.End == blocks.Begin
            && string.Equals(last.Cause, cause, StringComparison.Ordinal) && last.Path.SequenceEqual(path))
        {
            _kept[at] = last with { Blocks = new BlockRange(last.Blocks.Begin, blocks.End) };
            return;
        }

        Count++;
        if (_kept.Count == MaxKept) return;
        _lastAt[place] = _kept.Count;
        _kept.Add(new Loss(place, cause, path, blocks));
    }
}
