using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.PersistentData.Arrays;

namespace DmEra.Tests.PersistentData.Arrays;

/// <summary>An array and what should be in it, with older states that share blocks with it; compared after every
/// commit, with every reference counted.</summary>
internal sealed class PersistentArrayModel<TValue>(
    TestMetadata metadata, Random random, Func<Random, TValue> newValue)
    where TValue : unmanaged
{
    private const int Commits = 12;
    private const int MaxSnapshots = 2;

    private readonly PersistentArray<TValue> _array = new(metadata.Transactions);
    private readonly List<(ulong Root, TValue[] Model)> _snapshots = [];
    private ulong _root;
    private TValue[] _model = [];

    public void Run()
    {
        _model = new TValue[random.Next(8 * _array.EntriesPerBlock)];
        _model.AsSpan().Fill(newValue(random));
        _root = _array.Create((uint)_model.Length, _model.FirstOrDefault());
        for (int commit = 0; commit < Commits; commit++)
        {
            for (int step = random.Next(1, 30); step > 0; step--) Change();
            metadata.CommitAndAudit(AssertSame);
            TakeOrDropSnapshot();
        }

        _array.Delete(_root);
        foreach ((ulong root, _) in _snapshots) _array.Delete(root);
        metadata.CommitAndAudit(_ => { });
    }

    private void Change()
    {
        if (random.Next(10) == 0 || _model.Length == 0) Resize();
        else if (random.Next(3) == 0) ChangeBlock();
        else if (random.Next(8) == 0) Fill();
        else Set();
    }

    private void Resize()
    {
        // Often right at, before or behind the edge of a block.
        int count = random.Next(2) == 0
            ? random.Next(8 * _array.EntriesPerBlock)
            : Math.Max(0, (random.Next(8) * _array.EntriesPerBlock) + random.Next(-1, 2));
        TValue value = newValue(random);
        _root = _array.Resize(_root, (uint)_model.Length, (uint)count, value);
        int oldCount = _model.Length;
        Array.Resize(ref _model, count);
        if (count > oldCount) _model.AsSpan(oldCount).Fill(value);
    }

    private void Set()
    {
        int index = random.Next(_model.Length);
        _model[index] = newValue(random);
        _root = _array.Set(_root, (uint)index, _model[index]);
        Assert.Equal(_model[index], _array.Get(_root, (uint)index));
    }

    private void Fill()
    {
        int full = _model.Length / _array.EntriesPerBlock;
        if (full == 0) return;
        int first = random.Next(full);
        int end = random.Next(first, full) + 1;
        Span<TValue> values = _model.AsSpan((first * _array.EntriesPerBlock)..(end * _array.EntriesPerBlock));

        // Often what the block before holds, and sometimes what these do.
        TValue value = random.Next(3) switch
        {
            0 => newValue(random),
            1 => values[0],
            _ => _model[Math.Max(0, (first * _array.EntriesPerBlock) - 1)],
        };
        values.Fill(value);
        _root = _array.Fill(_root, (uint)first, (uint)end, value);
    }

    private void ChangeBlock()
    {
        int blockIndex = random.Next(_model.Length) / _array.EntriesPerBlock;
        Span<TValue> expected = _model.AsSpan(blockIndex * _array.EntriesPerBlock);
        expected = expected[..Math.Min(expected.Length, _array.EntriesPerBlock)];
        using WriteArrayBlock<TValue> block = _array.WriteBlock(ref _root, (uint)blockIndex, expected.Length);
        Assert.True(AreEqual(expected, block.Values));
        expected[random.Next(expected.Length)..].Fill(newValue(random));
        expected.CopyTo(block.Values);
    }

    private void TakeOrDropSnapshot()
    {
        if (random.Next(3) == 0 && _snapshots.Count > 0)
        {
            _array.Delete(_snapshots[0].Root);
            _snapshots.RemoveAt(0);
        }
        else if (random.Next(2) == 0 && _snapshots.Count < MaxSnapshots)
        {
            metadata.Transactions.Inc(_root);
            _snapshots.Add((_root, [.. _model]));
        }
    }

    private void AssertSame(TreeAudit audit)
    {
        foreach ((ulong root, TValue[] model) in _snapshots.Append((_root, _model)))
        {
            byte[] values = audit.Array(root, Unsafe.SizeOf<TValue>(), model.Length);
            Assert.True(values.AsSpan().SequenceEqual(MemoryMarshal.AsBytes<TValue>(model)));
        }
    }

    private static bool AreEqual(ReadOnlySpan<TValue> left, ReadOnlySpan<TValue> right) =>
        MemoryMarshal.AsBytes(left).SequenceEqual(MemoryMarshal.AsBytes(right));
}
