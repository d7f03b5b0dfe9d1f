using DmEra.PersistentData.Blocks;

namespace DmEra.Tools.Check;

/// <summary>Collects faults. Those of one cause that concern blocks in a row are one; of endless ones it keeps the first thousand and
/// counts the rest.</summary>
internal sealed class FaultLog
{
    private const int MaxKept = 1000;

    private readonly List<Fault> _kept = [];
    private readonly int[] _counts = new int[(int)FaultLevel.Damage + 1];

    /// <summary>The faults that were kept.</summary>
    public IReadOnlyList<Fault> Kept => _kept;

    /// <summary>True when some fault, kept or not, may put a list in doubt.</summary>
    public bool HasDoubts { get; private set; }

    /// <summary>All faults, kept or not.</summary>
    public int Count => _counts.Sum();

    /// <summary>Faults of one level, kept or not.</summary>
    public int CountOf(FaultLevel level) => _counts[(int)level];

    /// <summary>Takes a fault.</summary>
    public void Add(Fault fault)
    {
        if (_kept.Count > 0 && fault.TryGoOnFrom(_kept[^1]) is Fault both)
        {
            _kept[^1] = both;
            return;
        }

        _counts[(int)fault.Level]++;
        HasDoubts |= fault.InDoubt != ChangeLists.None;
        if (_kept.Count < MaxKept) _kept.Add(fault);
    }

    /// <summary>Takes the faults of another log.</summary>
    public void Add(FaultLog other)
    {
        foreach (Fault fault in other._kept) Add(fault);
        for (int level = 0; level < _counts.Length; level++)
            _counts[level] += other._counts[level] - other._kept.Count(fault => (int)fault.Level == level);
        HasDoubts |= other.HasDoubts;
    }

    /// <summary>What a fault of reading says, without the block that its path has anyway.</summary>
    public static string CauseOf(Exception fault) =>
        fault is MetadataCorruptException corrupt ? corrupt.Cause : fault.Message;
}
