using System.Diagnostics.CodeAnalysis;

namespace DmEra.Backup.Packs;

/// <summary>Keeps what was used last, as much as fits. Any thread.</summary>
/// <param name="capacity">Weight of all entries together; the one added last is kept even if it is heavier.</param>
/// <param name="weigh">Weight of one entry, always the same.</param>
internal sealed class LeastRecentlyUsed<TKey, TValue>(long capacity, Func<TValue, long> weigh)
    where TKey : notnull
{
    private readonly Lock _lock = new();    // guards all fields
    private readonly Dictionary<TKey, LinkedListNode<(TKey Key, TValue Value)>> _entries = [];
    private readonly LinkedList<(TKey Key, TValue Value)> _order = new();   // the one used last is first
    private long _weight;

    /// <summary>Finds an entry, which then counts as used.</summary>
    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        lock (_lock)
        {
            value = default;
            if (!_entries.TryGetValue(key, out LinkedListNode<(TKey Key, TValue Value)>? node)) return false;
            _order.Remove(node);
            _order.AddFirst(node);
            value = node.Value.Value;
            return true;
        }
    }

    /// <summary>Adds an entry and drops the ones unused for longest. An entry of that key that is there stays.</summary>
    public void Add(TKey key, TValue value)
    {
        lock (_lock)
        {
            if (_entries.ContainsKey(key)) return;
            _entries.Add(key, _order.AddFirst((key, value)));
            _weight += weigh(value);
            while (_weight > capacity && _order.Last is { } last && last != _order.First)
            {
                _order.RemoveLast();
                _entries.Remove(last.Value.Key);
                _weight -= weigh(last.Value.Value);
            }
        }
    }
}
