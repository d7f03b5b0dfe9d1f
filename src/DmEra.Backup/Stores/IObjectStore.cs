namespace DmEra.Backup.Stores;

/// <summary>
/// Where the objects of a repository lie: a folder or a bucket. An object has a name with slashes in it, is written
/// as a whole and read in parts; the only thing ever written over is a document that is replaced by its next version.
/// Every member may be called from any thread.
/// </summary>
public interface IObjectStore : IDisposable
{
    /// <summary>What the user calls the repository; messages begin with it.</summary>
    string Address { get; }

    /// <summary>How many requests at once are worth it.</summary>
    int Parallelism { get; }

    /// <summary>Writes an object, in the place of one of the same name. Nobody ever sees a part of it, and on return
    /// it is durable.</summary>
    /// <exception cref="StoreNotWritableException">This process may not write there.</exception>
    /// <exception cref="RepositoryException">The store failed: the object is as before, or already the new one.</exception>
    void Put(string name, ReadOnlyMemory<byte> content);

    /// <summary>As <see cref="Put"/>, but only where there is no object of that name: of two that do this at once, one gets
    /// <c>false</c>, and nothing of it is there.</summary>
    /// <exception cref="RepositoryException">The store failed: the object is there or not.</exception>
    bool TryCreate(string name, ReadOnlyMemory<byte> content);

    /// <summary>Reads from <paramref name="offset"/> on.</summary>
    /// <returns>The count of bytes: less than asked for only where the object ends.</returns>
    /// <exception cref="ObjectMissingException">There is no such object.</exception>
    /// <exception cref="RepositoryException">The store failed.</exception>
    int Read(string name, long offset, Span<byte> buffer);

    /// <summary>The objects whose names begin with <paramref name="prefix"/>, in no particular order.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    IEnumerable<StoredObject> List(string prefix);

    /// <summary>Removes objects; one that is not there is no fault. On return they are gone for good.</summary>
    /// <exception cref="RepositoryException">The store failed; some may be gone.</exception>
    void Delete(params IEnumerable<string> names);

    /// <summary>Removes an object with which this program announced itself, even when it has been told to stop: within
    /// seconds, or not at all.</summary>
    /// <exception cref="RepositoryException">The store failed.</exception>
    void Withdraw(string name);

    /// <summary>Removes what programs that were killed in the midst of writing have left, and no list shows.</summary>
    /// <param name="before">What was written to later than this is left alone.</param>
    /// <exception cref="RepositoryException">The store failed.</exception>
    void RemoveUnfinished(DateTimeOffset before);
}

/// <summary>An object as a listing shows it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Written">When it was last written, by the store's clock.</param>
public readonly record struct StoredObject(string Name, long Length, DateTimeOffset Written);
