using DmEra.PersistentData.Reading;
using DmEra.Target.Metadata;

namespace DmEra.Tools.Check;

/// <summary>Walks over all that one superblock leads to, but for the space map: the writesets and the era array of the
/// live state, or of the metadata snapshot.</summary>
internal sealed class StateWalk
{
    private readonly Inspection _inspection;
    private readonly ArrayInspector _arrays;
    private readonly Superblock _superblock;
    private readonly ChangeLists _list;
    private readonly ulong _address;        // of the superblock
    private readonly string _prefix;
    private readonly WritesetTree _writesets;

    public StateWalk(
        Inspection inspection, ArrayBlockCrew crew, Superblock superblock, ChangeLists list, ulong address)
    {
        _inspection = inspection;
        _arrays = new ArrayInspector(inspection, crew);
        _superblock = superblock;
        _list = list;
        _address = address;
        _prefix = list == ChangeLists.Snapshot ? "metadata snapshot: " : "";
        _writesets = new WritesetTree(_prefix, list, superblock.NrBlocks, superblock.CurrentEra);
    }

    // A snapshot's field of the open writeset is void: its blocks have been reused.
    private bool HasOpenEra => _list == ChangeLists.Live && _superblock.CurrentWriteset.Root != 0;

    /// <summary>Walks.</summary>
    public void Run()
    {
        TreeWalk<WritesetRecord> tree = new(_inspection.Reader, new TreeInspector(_inspection, _writesets, _address));
        tree.Seek(_superblock.WritesetTreeRoot, 0);
        while (tree.MoveNext())
        {
            if (tree.Fault is not null) _inspection.Lose(_writesets, tree.Fault, tree.Path[^1], tree.Begin, tree.End);
            for (int i = 0; i < tree.Keys.Length; i++) WalkWriteset(tree.Keys[i], tree.Values[i], tree.Path[^1]);
        }

        if (HasOpenEra) WalkBitset(_superblock.CurrentEra, _superblock.CurrentWriteset, _address);
        WalkedEraArray eraArray = new(_prefix, _list, _superblock.NrBlocks, _superblock.CurrentEra);
        _arrays.Inspect(eraArray, _superblock.EraArrayRoot, _address);
    }

    private void WalkWriteset(ulong era, WritesetRecord writeset, ulong leaf)
    {
        if (era > _superblock.CurrentEra)
        {
            string cause = $"a writeset of era {era}, but the current one is {_superblock.CurrentEra}";
            _inspection.Faults.Add(_writesets.Hiding(cause, _inspection.Ledger.PathTo(leaf), era, era + 1));
        }
        else if (era == _superblock.CurrentEra && HasOpenEra)
        {
            string cause = $"era {era} is archived, and open at the same time";
            _inspection.Faults.Add(_writesets.Harmless(FaultLevel.Damage, cause, _inspection.Ledger.PathTo(leaf)));
        }

        WalkBitset((uint)Math.Min(era, uint.MaxValue), writeset, leaf);
    }

    private void WalkBitset(uint era, WritesetRecord writeset, ulong owner) =>
        _arrays.Inspect(new WalkedBitset(_prefix, _list, writeset.NrBits, era), writeset.Root, owner);
}
