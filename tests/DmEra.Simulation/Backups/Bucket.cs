using DmEra.Backup.Stores;

namespace DmEra.Simulation.Backups;

/// <summary>The objects of a store, as they are: what every program sees of them goes through a <see cref="ProcessStore"/>.</summary>
internal sealed class Bucket(TimeProvider clock)
{
    private readonly Dictionary<string, (byte[] Content, DateTimeOffset Written)> _objects = new(StringComparer.Ordinal);

    /// <summary>The names of all objects.</summary>
    public IEnumerable<string> Names => _objects.Keys;

    public void Put(string name, byte[] content) => _objects[name] = (content, clock.GetUtcNow());

    public bool TryCreate(string name, byte[] content) => _objects.TryAdd(name, (content, clock.GetUtcNow()));

    public void Delete(string name) => _objects.Remove(name);

    public byte[]? Find(string name) => _objects.TryGetValue(name, out (byte[] Content, DateTimeOffset Written) found) ? found.Content : null;

    /// <summary>The objects whose names begin so.</summary>
    public List<StoredObject> List(string prefix) =>
        [.. _objects.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal))
            .Select(pair => new StoredObject(pair.Key, pair.Value.Content.Length, pair.Value.Written))];
}

/// <summary>What somebody finds who looks at a bucket while all the world stands still.</summary>
internal sealed class BucketView(Bucket bucket) : IObjectStore
{
    public string Address => "bucket";

    public int Parallelism => 1;

    public void Put(string name, ReadOnlyMemory<byte> content) => throw new NotSupportedException();

    public bool TryCreate(string name, ReadOnlyMemory<byte> content) => throw new NotSupportedException();

    public int Read(string name, long offset, Span<byte> buffer)
    {
        if (bucket.Find(name) is not { } content) throw new ObjectMissingException(Address, name);
        ReadOnlySpan<byte> rest = content.AsSpan((int)Math.Min(offset, content.Length));
        rest = rest[..Math.Min(rest.Length, buffer.Length)];
        rest.CopyTo(buffer);
        return rest.Length;
    }

    public IEnumerable<StoredObject> List(string prefix) => bucket.List(prefix);

    public void Delete(params IEnumerable<string> names) => throw new NotSupportedException();

    public void Withdraw(string name) => throw new NotSupportedException();

    public void RemoveUnfinished(DateTimeOffset before) => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
