using DmEra.PersistentData.Reading;

namespace DmEra.Tools.Check;

/// <summary>Goes through the indexes of arrays: no block may be missing. The blocks themselves are left to the crew.</summary>
internal sealed class ArrayInspector(Inspection inspection, ArrayBlockCrew crew)
{
    /// <summary>Goes through one index.</summary>
    /// <param name="array">The array.</param>
    /// <param name="root">Root of its index.</param>
    /// <param name="owner">The block that points there.</param>
    public void Inspect(WalkedArray array, ulong root, ulong owner)
    {
        ArrayIndexWalk index = new(inspection.Reader, new TreeInspector(inspection, array, owner));
        ulong end = 0;      // behind the last block there is
        index.Seek(root, 0);
        while (index.MoveNext())
        {
            ulong node = index.Path[^1];
            switch (index.Piece)
            {
                case IndexPiece.Run:
                    ArrayBlockRef block = new(array, index.Begin, index.End, index.Addresses[0]);
                    bool isNew = inspection.Enter(array, array.BlockUse, block.Address, block.Count, node, block.Begin, block.End);
                    int needed = array.ValuesIn(block.Begin);
                    if (inspection.Ledger.NeedsMore(block.Address, needed, needed == array.ValuesPerBlock) || isNew) crew.Add(block);
                    end = index.End;
                    break;
                case IndexPiece.Missing when index.Begin < array.BlockCount:
                    LogMissing(array, node, index.Begin, Math.Min(index.End, array.BlockCount));
                    break;
                case IndexPiece.Lost:
                    inspection.Lose(array, index.Fault!, node, index.Begin, index.End);
                    break;
            }
        }

        // Linux leaves a block behind when an origin shrinks to where a block of its era array ends.
        if (end > array.BlockCount) LogTail(array, index.Path[^1], end - array.BlockCount);
    }

    private void LogMissing(WalkedArray array, ulong node, ulong begin, ulong end)
    {
        string what = end - begin == 1 ? $"block {begin} of the array is" : $"blocks {begin} to {end - 1} of the array are";
        inspection.Faults.Add(array.Hiding($"{what} missing", inspection.Ledger.PathTo(node), begin, end));
    }

    private void LogTail(WalkedArray array, ulong node, ulong count)
    {
        string cause = $"{count} more array block{(count == 1 ? "" : "s")} than the array needs, as Linux leaves behind when an origin shrinks";
        inspection.Faults.Add(array.Harmless(FaultLevel.Cosmetic, cause, inspection.Ledger.PathTo(node)));
    }
}
