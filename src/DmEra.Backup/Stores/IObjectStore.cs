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
    /// <exception cref="RepositoryException">The object is not there, or still the one from before.</exception>
    void Put(string name, ReadOnlyMemory<byte> content);

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
}

/// <summary>An object as a listing shows it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Written">When it was last written, by the store's clock.</param>
public readonly record struct StoredObject(string Name, long Length, DateTimeOffset Written);
