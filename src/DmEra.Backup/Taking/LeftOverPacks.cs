using System.Collections.Concurrent;
using DmEra.Backup.Packs;
using DmEra.Backup.Stores;
using DmEra.Devices.Threads;

namespace DmEra.Backup.Taking;

/// <summary>
/// What an interrupted backup has left in the repository: packs of an image that was never published. Each says
/// itself which sectors it has and what content, so nothing else need be remembered of such a backup. Any thread.
/// </summary>
internal sealed class LeftOverPacks
{
    private const int ReadersAtOnce = 16;       // small reads: what counts is the latency of the store

    private readonly PackReader _reader;
    private readonly List<(PackName Name, long First, long End)> _content;    // by first sector
    private readonly long[] _highestEnd;        // of each one and those before it
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);   // lock it

    private LeftOverPacks(
        PackReader reader, List<StoredObject> objects, List<(PackName Name, long First, long End)> content, uint next)
    {
        _reader = reader;
        Objects = objects;
        NextSequence = next;
        _content = content;
        _content.Sort((left, right) => left.First.CompareTo(right.First));
        _highestEnd = new long[_content.Count];
        for (int i = 0; i < _highestEnd.Length; i++)
            _highestEnd[i] = Math.Max(_content[i].End, i == 0 ? 0 : _highestEnd[i - 1]);
    }

    /// <summary>Everything that was left, packs without content for the device too.</summary>
    public IReadOnlyList<StoredObject> Objects { get; }

    /// <summary>A number that no pack of the image has yet.</summary>
    public uint NextSequence { get; }

    /// <summary>Finds what is there of an image that is not.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public static LeftOverPacks Collect(IObjectStore store, PackReader reader, uint image, IThreads threads)
    {
        List<StoredObject> objects = [.. store.List(PackName.PrefixOf(image))];
        ConcurrentBag<(PackName Name, long First, long End)> content = [];
        uint next = 0;
        foreach (StoredObject found in objects)
        {
            if (PackName.TryParse(found.Name, out PackName name)) next = Math.Max(next, name.Sequence + 1);
        }

        ParallelWork<StoredObject>.Run(threads, objects, ReadersAtOnce, () => found =>
        {
            if (TryOpen(reader, found) is { Kind: PackKind.Content } pack)
                content.Add((pack.Name, (long)pack.Rows[0].FirstSector.Value, pack.Rows[^1].EndSector));
        }, CancellationToken.None);
        return new LeftOverPacks(reader, objects, [.. content], next);
    }

    /// <summary>A pack that has exactly this content for exactly these sectors; null when none has.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public PackReference? Find(long first, int length, ContentHash content)
    {
        foreach (PackName name in Around(first))
        {
            PackDirectory pack = _reader.Open(name);
            int record = pack.Find(first);
            if (record < 0 || (long)pack.Rows[record].FirstSector.Value != first
                || pack.Rows[record].PlainLength != length || pack.Rows[record].Content != content)
            {
                continue;
            }

            lock (_used) _used.Add(name.ToString());
            return new PackReference(name);
        }

        return null;
    }

    /// <summary>The objects that <see cref="Find(long, int, ContentHash)"/> has not returned.</summary>
    public IEnumerable<string> Unused()
    {
        lock (_used) return [.. Objects.Select(found => found.Name).Where(name => !_used.Contains(name))];
    }

    // The packs that may have content for a sector.
    private IEnumerable<PackName> Around(long sector)
    {
        int low = 0;
        int high = _content.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_content[middle].First <= sector) low = middle + 1;
            else high = middle;
        }

        for (int i = low - 1; i >= 0 && _highestEnd[i] > sector; i--)
        {
            if (_content[i].End > sector) yield return _content[i].Name;
        }
    }

    // One that is damaged or has another length than it says is no use, and no harm: it is removed in the end.
    private static PackDirectory? TryOpen(PackReader reader, StoredObject found)
    {
        try
        {
            return PackName.TryParse(found.Name, out PackName name)
                && reader.Open(name) is { } pack && pack.ObjectLength == found.Length
                ? pack
                : null;
        }
        catch (ObjectDamagedException)
        {
            return null;
        }
    }
}
