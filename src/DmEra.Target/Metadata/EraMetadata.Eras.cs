using System.Diagnostics;

namespace DmEra.Target.Metadata;

// Marking blocks, ending eras and beginning new ones.
internal sealed partial class EraMetadata
{
    /// <summary>Fits the era array to the origin; blocks that are new to it were never written.</summary>
    /// <param name="blocks">Origin blocks from now on.</param>
    public void Resize(uint blocks)
    {
        _superblock.EraArrayRoot = _eraArray.Resize(_superblock.EraArrayRoot, _superblock.NrBlocks, blocks, 0);
        _superblock.NrBlocks = blocks;
    }

    /// <summary>Marks blocks as written in the current era.</summary>
    /// <param name="begin">The first block.</param>
    /// <param name="end">The block behind the last one.</param>
    public void Mark(uint begin, uint end)
    {
        if (_superblock.CurrentWriteset.Root == 0) throw new UnreachableException("no era is open");
        _superblock.CurrentWriteset.Root = _bitsets.SetRange(_superblock.CurrentWriteset.Root, begin, end);
    }

    /// <summary>Ends the era that is open, if any, and begins the next one.</summary>
    public void RollOver()
    {
        uint next = checked((uint)(HighestEra() + 1));      // see CanRollOver

        // Made before the old writeset is let go of: there is no moment, and no failure, that leaves none.
        ulong root = _bitsets.CreateEmpty(_superblock.NrBlocks);
        Archive();
        _superblock.CurrentEra = next;
        _superblock.CurrentWriteset = new WritesetRecord { NrBits = _superblock.NrBlocks, Root = root };
    }

    /// <summary>Ends the era that is open, if any: its writeset goes to the tree, and waits to be digested.</summary>
    public void Archive()
    {
        WritesetRecord ended = _superblock.CurrentWriteset;
        if (ended.Root == 0) return;

        // Kernels never get here. Overwriting the other writeset would lose its marks.
        if (_writesets.TryLookup(_superblock.WritesetTreeRoot, _superblock.CurrentEra, out _))
            throw Damaged($"era {_superblock.CurrentEra} is open and archived at once");

        // The tree takes over the reference that the superblock had.
        _superblock.WritesetTreeRoot =
            _writesets.Insert(_superblock.WritesetTreeRoot, _superblock.CurrentEra, ended);
        _superblock.CurrentWriteset.Root = 0;
    }

    /// <summary>Whether there is an era left to begin; the kernel would start over at 0.</summary>
    public bool CanRollOver => HighestEra() < uint.MaxValue;

    // Metadata that was restored from a text may hold writesets of eras yet to come. Going on behind them keeps their
    // marks, and keeps digestion in order.
    private ulong HighestEra() =>
        _writesets.TryHighest(_superblock.WritesetTreeRoot, out ulong highest)
            ? Math.Max(highest, _superblock.CurrentEra)
            : _superblock.CurrentEra;
}
