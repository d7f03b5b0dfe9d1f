using DmEra.Target.Metadata;

namespace DmEra.Tools.Check;

/// <summary>Walks over all that one superblock leads to, but for the space map: the writesets and the era array of the
/// live state, or of the metadata snapshot.</summary>
internal sealed class StateWalk : ITreeVisitor<WritesetRecord>
{
    private readonly Inspection _inspection;
    private readonly ArrayBlockCrew _crew;
    private readonly Superblock _superblock;
    private readonly ChangeLists _list;
    private readonly ulong _address;        // of the superblock
    private readonly string _prefix;
    private readonly WritesetTree _writesets;

    public StateWalk(
        Inspection inspection, ArrayBlockCrew crew, Superblock superblock, ChangeLists list, ulong address)
    {
        _inspection = inspection;
        _crew = crew;
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
        new TreeWalk<WritesetRecord>(_inspection, _writesets, this).Run(_superblock.WritesetTreeRoot, _address);
        if (HasOpenEra) WalkBitset(_superblock.CurrentEra, _superblock.CurrentWriteset, _address);
        WalkedEraArray eraArray = new(_prefix, _list, _superblock.NrBlocks, _superblock.CurrentEra);
        new ArrayIndexVisitor(_inspection, eraArray, _crew.Add).Run(_superblock.EraArrayRoot, _address);
    }

    public void VisitLeaf(ulong leaf, ReadOnlySpan<ulong> keys, ReadOnlySpan<WritesetRecord> values)
    {
        for (int i = 0; i < keys.Length; i++)
        {
            if (keys[i] > _superblock.CurrentEra)
            {
                string cause = $"a writeset of era {keys[i]}, but the current one is {_superblock.CurrentEra}";
                _inspection.Faults.Add(_writesets.Hiding(cause, _inspection.Ledger.PathTo(leaf), keys[i], keys[i] + 1));
            }
            else if (keys[i] == _superblock.CurrentEra && HasOpenEra)
            {
                string cause = $"era {keys[i]} is archived, and open at the same time";
                _inspection.Faults.Add(
                    _writesets.Harmless(FaultLevel.Damage, cause, _inspection.Ledger.PathTo(leaf)));
            }

            WalkBitset((uint)Math.Min(keys[i], uint.MaxValue), values[i], leaf);
        }
    }

    public void PassOver(ulong firstKey, ulong endKey)
    {
    }

    private void WalkBitset(uint era, WritesetRecord writeset, ulong owner)
    {
        WalkedBitset bitset = new(_prefix, _list, writeset.NrBits, era);
        new ArrayIndexVisitor(_inspection, bitset, _crew.Add).Run(writeset.Root, owner);
    }
}
