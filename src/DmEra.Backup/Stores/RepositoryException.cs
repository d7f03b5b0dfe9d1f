namespace DmEra.Backup.Stores;

/// <summary>A repository cannot do what was asked: its message says why, and what to do.</summary>
public class RepositoryException : IOException
{
    /// <summary>Creates a fault.</summary>
    /// <param name="message">One line that names the repository; no capital, no full stop.</param>
    /// <param name="cause">What the store reported.</param>
    public RepositoryException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}

/// <summary>An object that was asked for is not in the store.</summary>
/// <param name="address">The repository.</param>
/// <param name="name">The object.</param>
public sealed class ObjectMissingException(string address, string name)
    : RepositoryException($"{address}: {name} is missing")
{
    /// <summary>The object.</summary>
    public string Name { get; } = name;
}

/// <summary>An object is there, but not as it was written.</summary>
/// <param name="name">The object.</param>
/// <param name="cause">What is wrong with it, as in "record 3 does not have the content it had when written".</param>
public sealed class ObjectDamagedException(string name, string cause)
    : RepositoryException($"{name}: damaged: {cause}")
{
    /// <summary>The object.</summary>
    public string Name { get; } = name;

    /// <summary>What is wrong with it.</summary>
    public string Cause { get; } = cause;
}

/// <summary>The store is read-only for this process: its file system is, or it lacks the permission.</summary>
/// <param name="message">One line that names the repository; no capital, no full stop.</param>
/// <param name="cause">What the store reported.</param>
public sealed class StoreNotWritableException(string message, Exception? cause = null)
    : RepositoryException(message, cause);

/// <summary>There is no room left in the store.</summary>
/// <param name="message">One line that names the repository; no capital, no full stop.</param>
/// <param name="cause">What the store reported.</param>
public sealed class StoreFullException(string message, Exception? cause = null)
    : RepositoryException(message, cause);
