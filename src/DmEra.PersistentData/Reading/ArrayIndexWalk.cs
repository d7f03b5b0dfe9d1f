using System.Runtime.InteropServices;
using DmEra.Devices.Binary;
using DmEra.PersistentData.Blocks;
using DmEra.PersistentData.BTrees;

namespace DmEra.PersistentData.Reading;

/// <summary>What a walk over the index of an array has come by.</summary>
public enum IndexPiece
{
    /// <summary>Entries in a row that name the same block.</summary>
    Run,

    /// <summary>Array blocks that the index leaves out, or has none of at its end.</summary>
    Missing,

    /// <summary>Array blocks whose part of the index cannot be read.</summary>
    Lost,

    /// <summary>Array blocks whose part of the index the guard of the walk did not let it into.</summary>
    PassedOver,
}

/// <summary>
/// Walks over the index of an array, which has the address of each array block under its number. Equal array blocks may be
/// one, which several entries name: entries in a row that do come as one run. The pieces follow one another without a gap,
/// and the last one ends at 2^64 - 1.
/// </summary>
/// <param name="reader">Reads the nodes.</param>
/// <param name="guard">Goes before; null: every pointer is followed.</param>
public sealed class ArrayIndexWalk(MetadataReader reader, ITreeGuard? guard = null)
{
    private readonly TreeWalk<Le64> _tree = new(reader, guard);
    private int _at;        // entry of the leaf that comes next

    /// <summary>What the piece is.</summary>
    public IndexPiece Piece { get; private set; }

    /// <summary>Number of its first array block.</summary>
    public ulong Begin { get; private set; }

    /// <summary>Number of the array block behind it.</summary>
    public ulong End { get; private set; }

    /// <summary>Of a run: the address of the block; behind it those that the entries behind the run name.</summary>
    public ReadOnlySpan<Le64> Addresses => _tree.Values[(_at - 1)..];

    /// <summary>Why there is no run; null when there is one, or the piece was passed over.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>The nodes that lead to the piece, the root first.</summary>
    public IReadOnlyList<ulong> Path => _tree.Path;

    /// <summary>Sets out anew: <see cref="MoveNext"/> will step to the piece with an array block, from that one on.</summary>
    public void Seek(ulong root, ulong index)
    {
        _tree.Seek(root, index);
        _at = 0;
        End = index;
        _tree.MoveNext();
        Enter();
    }

    /// <summary>Steps to the next piece.</summary>
    /// <returns>false at the end.</returns>
    public bool MoveNext()
    {
        Begin = End;
        if (Begin == ulong.MaxValue) return false;
        if (Begin == _tree.End)
        {
            _tree.MoveNext();
            Enter();
        }

        if (Begin < _tree.Begin) Miss(_tree.Begin);
        else if (_tree.Fault is Exception fault) Set(IndexPiece.Lost, _tree.End, fault);
        else if (!_tree.IsLeaf) Set(IndexPiece.PassedOver, _tree.End, null);
        else if (_at == _tree.Keys.Length) Miss(_tree.End);
        else if (Begin < _tree.Keys[_at]) Miss(_tree.Keys[_at]);
        else TakeRun();
        return true;
    }

    private void Enter()
    {
        int below = _tree.Keys.LowerBound(End);
        _at = below < 0 || _tree.Keys[below] < End ? below + 1 : below;
    }

    private void TakeRun()
    {
        ReadOnlySpan<Le64> keys = _tree.Keys[_at..];
        ReadOnlySpan<ulong> addresses = MemoryMarshal.Cast<Le64, ulong>(_tree.Values[_at..]);
        // Not IndexOfAnyExcept: what that consists of is not compiled in advance, nor well when it is first used.
        int count = 1;
        while (count < addresses.Length && addresses[count] == addresses[0]) count++;
        // The keys ascend: they have no gap where the last one is as far from the first as their number says.
        while (keys[count - 1] != keys[0] + (ulong)(count - 1)) count--;
        _at += count;
        Set(IndexPiece.Run, keys[0] + (ulong)count, null);
    }

    private void Miss(ulong end) => Set(
        IndexPiece.Missing, end,
        new MetadataCorruptException(Path[^1], $"btree node: array block {Begin} is missing", MetadataCorruption.Damaged));

    private void Set(IndexPiece piece, ulong end, Exception? fault)
    {
        Piece = piece;
        End = end;
        Fault = fault;
    }
}
