using DmEra.Backup.Stores;

namespace DmEra.Backup.Packs;

/// <summary>Reads packs: directories through a bounded cache, records straight from the store. Any thread.</summary>
/// <param name="store">Where the packs are.</param>
/// <param name="key">Decrypts; null where nothing is encrypted.</param>
internal sealed class PackReader(IObjectStore store, RepositoryKey? key)
{
    private const int FirstRead = 16 << 10;     // enough for most directories
    private const int CacheWeight = 12 << 20;

    private readonly LeastRecentlyUsed<PackName, PackDirectory> _directories =
        new(CacheWeight, directory => directory.Weight);

    /// <summary>The directory of a pack.</summary>
    /// <exception cref="ObjectMissingException">There is no such pack.</exception>
    /// <exception cref="ObjectDamagedException">It is not what was written under this name.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public PackDirectory Open(PackName name)
    {
        if (_directories.TryGet(name, out PackDirectory? directory)) return directory;
        byte[] front = new byte[FirstRead];
        int count = store.Read(name.ToString(), 0, front);
        int needed = PackDirectory.FrontLength(front.AsSpan(0, count));
        if (needed > count && count == front.Length)
        {
            Array.Resize(ref front, needed);
            count += store.Read(name.ToString(), count, front.AsSpan(count));
        }

        if (needed == 0 || count < needed) throw new ObjectDamagedException(name.ToString(), "it is no pack, or cut short");
        directory = PackDirectory.Parse(name, front.AsSpan(0, needed), key);
        _directories.Add(name, directory);
        return directory;
    }

    /// <summary>Reads the stored bytes of records that lie one behind the other.</summary>
    /// <exception cref="ObjectDamagedException">The pack is cut short.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public void ReadStored(PackDirectory directory, int record, Span<byte> stored)
    {
        string name = directory.Name.ToString();
        if (store.Read(name, directory.RangeOf(record).Offset, stored) < stored.Length)
            throw new ObjectDamagedException(name, "it is cut short");
    }

    /// <summary>Reads one record and checks it.</summary>
    /// <exception cref="ObjectDamagedException">It is not what was written.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    public byte[] ReadRecord(PackName name, int record)
    {
        PackDirectory directory = Open(name);
        if ((uint)record >= (uint)directory.Rows.Length) throw new ObjectDamagedException(name.ToString(), $"it has no record {record}");
        byte[] stored = new byte[directory.RangeOf(record).Length];
        ReadStored(directory, record, stored);
        byte[] plain = new byte[directory.Rows[record].PlainLength];
        directory.Decode(record, stored, plain);
        return plain;
    }
}
