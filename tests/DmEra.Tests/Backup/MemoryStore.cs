using DmEra.Backup.Stores;

namespace DmEra.Tests.Backup;

/// <summary>A store in memory that asks before each call: the test may throw, wait, or take notes.</summary>
internal sealed class MemoryStore(IReadOnlyDictionary<string, byte[]>? content = null) : IObjectStore
{
    private readonly Lock _lock = new();        // guards the fields below
    private readonly Dictionary<string, (byte[] Content, DateTimeOffset Written)> _objects = (content ?? new Dictionary<string, byte[]>())
        .ToDictionary(pair => pair.Key, pair => (pair.Value, DateTimeOffset.UnixEpoch), StringComparer.Ordinal);

    public string Address => "memory";

    public int Parallelism => 2;

    /// <summary>Called before each call, with its verb and the name; by the thread that calls.</summary>
    public Action<string, string>? Before { get; set; }

    /// <summary>Called after a call that changed something.</summary>
    public Action<string, string>? After { get; set; }

    /// <summary>Objects of this length and more find no room.</summary>
    public int NoRoomFor { get; set; } = int.MaxValue;

    /// <summary>The clock of the store.</summary>
    public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

    /// <summary>A copy of everything.</summary>
    public Dictionary<string, byte[]> Content
    {
        get
        {
            lock (_lock) return _objects.ToDictionary(pair => pair.Key, pair => pair.Value.Content, StringComparer.Ordinal);
        }
    }

    public void Put(string name, ReadOnlyMemory<byte> content)
    {
        BeginPut(name, content);
        lock (_lock) _objects[name] = (content.ToArray(), Now);
        After?.Invoke("put", name);
    }

    public bool TryCreate(string name, ReadOnlyMemory<byte> content)
    {
        BeginPut(name, content);
        bool isNew;
        lock (_lock) isNew = _objects.TryAdd(name, (content.ToArray(), Now));
        After?.Invoke("put", name);
        return isNew;
    }

    public int Read(string name, long offset, Span<byte> buffer)
    {
        Before?.Invoke("read", name);
        lock (_lock)
        {
            if (!_objects.TryGetValue(name, out (byte[] Content, DateTimeOffset Written) found))
                throw new ObjectMissingException(Address, name);
            ReadOnlySpan<byte> rest = found.Content.AsSpan((int)Math.Min(offset, found.Content.Length));
            rest = rest[..Math.Min(rest.Length, buffer.Length)];
            rest.CopyTo(buffer);
            return rest.Length;
        }
    }

    public IEnumerable<StoredObject> List(string prefix)
    {
        Before?.Invoke("list", prefix);
        lock (_lock)
        {
            return [.. _objects.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal))
                .Select(pair => new StoredObject(pair.Key, pair.Value.Content.Length, pair.Value.Written))];
        }
    }

    public void Delete(params IEnumerable<string> names)
    {
        foreach (string name in names)
        {
            Before?.Invoke("delete", name);
            lock (_lock) _objects.Remove(name);
            After?.Invoke("delete", name);
        }
    }

    public void Withdraw(string name)
    {
        Before?.Invoke("withdraw", name);
        lock (_lock) _objects.Remove(name);
    }

    public void RemoveUnfinished(DateTimeOffset before)
    {
    }

    public void Dispose()
    {
    }

    private void BeginPut(string name, ReadOnlyMemory<byte> content)
    {
        Before?.Invoke("put", name);
        if (content.Length >= NoRoomFor) throw new StoreFullException($"memory: cannot write {name}: no room");
    }
}
