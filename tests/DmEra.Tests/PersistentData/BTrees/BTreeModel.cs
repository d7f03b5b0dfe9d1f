using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DmEra.PersistentData.BTrees;

namespace DmEra.Tests.PersistentData.BTrees;

/// <summary>
/// A tree and what should be in it: one that changes, and older states of it that share nodes with it. Runs of
/// operations, in order or at random, are followed by commits; after each, all of it is compared and every reference
/// counted.
/// </summary>
internal sealed class BTreeModel<TValue>(
    TestMetadata metadata,
    IRefCounter<TValue> refCounter,
    Random random,
    Func<Random, TValue> newValue,
    Action<TreeAudit, byte[]> walkValue)
    where TValue : unmanaged
{
    private const int Commits = 12;
    private const int MaxEntries = 1200;
    private const int MaxSnapshots = 2;

    private readonly BTree<TValue> _tree = new(metadata.Transactions, refCounter);
    private readonly List<State> _snapshots = [];
    private readonly ulong _keyRange = random.Next(3) switch
    {
        0 => 2 * MaxEntries,    // dense: most runs meet keys that are there
        1 => 1_000_000,
        _ => ulong.MaxValue,
    };

    private ulong _root;
    private SortedDictionary<ulong, TValue> _model = [];

    public void Run()
    {
        _root = _tree.CreateEmpty();
        for (int commit = 0; commit < Commits; commit++)
        {
            int runs = random.Next(1, 5);
            for (int run = 0; run < runs; run++) ApplyRun();
            AssertLooksUp();
            metadata.CommitAndAudit(AssertSame);
            TakeOrDropSnapshot();
        }

        _tree.Delete(_root);
        foreach (State snapshot in _snapshots) _tree.Delete(snapshot.Root);
        metadata.CommitAndAudit(_ => { });
    }

    /// <summary>A run of inserts or removals: upwards from some key, downwards, or all over the place.</summary>
    private void ApplyRun()
    {
        int length = random.Next(4) == 0 ? random.Next(1, 600) : random.Next(1, 60);
        bool isRemoval = random.Next(2) == 0 || _model.Count + length > MaxEntries;
        ulong start = RandomKey();
        int direction = random.Next(-1, 2);
        for (int i = 0; i < length; i++)
        {
            ulong key = direction == 0 ? RandomKey() : unchecked(start + (ulong)((long)i * direction));
            if (isRemoval) RemoveAtOrAbove(key);
            else Insert(key);
        }
    }

    private ulong RandomKey() => random.Next(50) switch
    {
        0 => 0,
        1 => _keyRange,
        _ => (ulong)(random.NextDouble() * _keyRange),
    };

    private void Insert(ulong key)
    {
        bool isSame = _model.TryGetValue(key, out TValue value) && random.Next(4) == 0;
        if (!isSame) value = newValue(random);
        _root = _tree.Insert(_root, key, in value);
        _model[key] = value;
    }

    private void RemoveAtOrAbove(ulong key)
    {
        bool isThere = _tree.TryLookupNext(_root, key, out ulong found, out TValue value);
        Assert.Equal(_model.Keys.Any(other => other >= key), isThere);
        if (!isThere) return;

        Assert.True(_model.Remove(found, out TValue expected));
        AssertEqual(expected, value);
        _root = _tree.Remove(_root, found);
    }

    private void TakeOrDropSnapshot()
    {
        if (random.Next(3) == 0 && _snapshots.Count > 0)
        {
            int index = random.Next(_snapshots.Count);
            _tree.Delete(_snapshots[index].Root);
            _snapshots.RemoveAt(index);
        }
        else if (random.Next(2) == 0 && _snapshots.Count < MaxSnapshots)
        {
            metadata.Transactions.Inc(_root);
            _snapshots.Add(new State(_root, new SortedDictionary<ulong, TValue>(_model)));
        }
        else if (random.Next(8) == 0 && _snapshots.Count > 0)
        {
            // The older state is gone on from, and the newer one given up.
            _tree.Delete(_root);
            (_root, _model) = (_snapshots[^1].Root, _snapshots[^1].Model);
            _snapshots.RemoveAt(_snapshots.Count - 1);
        }
    }

    private void AssertLooksUp()
    {
        foreach ((ulong key, TValue expected) in _model)
        {
            Assert.True(_tree.TryLookup(_root, key, out TValue value), "a key is missing");
            AssertEqual(expected, value);
            if (!_model.ContainsKey(key + 1)) Assert.False(_tree.TryLookup(_root, key + 1, out _));
        }

        Assert.Equal(_model.Count > 0, _tree.TryLowest(_root, out ulong lowest, out _));
        Assert.Equal(_model.Count > 0, _tree.TryHighest(_root, out ulong highest));
        if (_model.Count > 0) Assert.Equal((_model.Keys.First(), _model.Keys.Last()), (lowest, highest));
        Assert.True(_model.Keys.SequenceEqual(_tree.Entries(_root).Select(entry => entry.Key)));
    }

    private void AssertSame(TreeAudit audit)
    {
        AssertSame(audit, new State(_root, _model));
        foreach (State snapshot in _snapshots) AssertSame(audit, snapshot);
    }

    private void AssertSame(TreeAudit audit, State state)
    {
        List<(ulong Key, byte[] Value)> entries =
            audit.Tree(state.Root, Unsafe.SizeOf<TValue>(), value => walkValue(audit, value));
        Assert.True(state.Model.Keys.SequenceEqual(entries.Select(entry => entry.Key)));
        foreach ((TValue expected, (_, byte[] value)) in state.Model.Values.Zip(entries))
            AssertEqual(expected, MemoryMarshal.Read<TValue>(value));
    }

    private static void AssertEqual(TValue expected, TValue actual) => Assert.True(
        MemoryMarshal.AsBytes(new ReadOnlySpan<TValue>(in expected))
            .SequenceEqual(MemoryMarshal.AsBytes(new ReadOnlySpan<TValue>(in actual))));

    private sealed record State(ulong Root, SortedDictionary<ulong, TValue> Model);
}
