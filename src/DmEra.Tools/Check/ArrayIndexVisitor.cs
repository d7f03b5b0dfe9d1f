using DmEra.Devices.Binary;

namespace DmEra.Tools.Check;

/// <summary>An array block that is to be looked at.</summary>
/// <param name="Array">What it is a block of.</param>
/// <param name="Index">Its number there.</param>
/// <param name="Address">Where it is.</param>
internal readonly record struct ArrayBlockRef(WalkedArray Array, ulong Index, ulong Address);

/// <summary>Goes through the index of an array: no block of it may be missing.</summary>
internal sealed class ArrayIndexVisitor(Inspection inspection, WalkedArray array, Action<ArrayBlockRef> onBlock)
    : ITreeVisitor<Le64>
{
    private ulong _next;        // the block that should come next
    private ulong _owner;       // the leaf visited last

    /// <summary>Walks over the index, and logs what is missing.</summary>
    public void Run(ulong root, ulong owner)
    {
        _owner = owner;
        new TreeWalk<Le64>(inspection, array, this).Run(root, owner);
        RequireUpTo(array.BlockCount);
        // Linux leaves a block behind when an origin shrinks to where a block of its era array ends.
        if (_next > array.BlockCount && _next != ulong.MaxValue)
            LogTail(_next - array.BlockCount);
    }

    public void VisitLeaf(ulong leaf, ReadOnlySpan<ulong> keys, ReadOnlySpan<Le64> values)
    {
        _owner = leaf;
        for (int i = 0; i < keys.Length; i++)
        {
            RequireUpTo(Math.Min(keys[i], array.BlockCount));
            if (inspection.Enter(array, array.BlockUse, values[i], leaf, keys[i], keys[i] + 1))
                onBlock(new ArrayBlockRef(array, keys[i], values[i]));
            _next = keys[i] + 1;
        }
    }

    public void PassOver(ulong firstKey, ulong endKey)
    {
        RequireUpTo(Math.Min(firstKey, array.BlockCount));
        _next = endKey;
    }

    private void RequireUpTo(ulong index)
    {
        if (_next >= index) return;
        string what = index - _next == 1 ? $"block {_next} of the array is" : $"blocks {_next} to {index - 1} of the array are";
        inspection.Faults.Add(array.Hiding($"{what} missing", inspection.Ledger.PathTo(_owner), _next, index));
    }

    private void LogTail(ulong count)
    {
        string cause = $"{count} more array block{(count == 1 ? "" : "s")} than the array needs, as Linux leaves behind when an origin shrinks";
        inspection.Faults.Add(array.Harmless(FaultLevel.Cosmetic, cause, inspection.Ledger.PathTo(_owner)));
    }
}
